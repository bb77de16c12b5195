-- A music shop in eleven tables: artists and their albums, tracks and playlists, customers, staff and invoices.
create schema shop;
comment on schema shop is 'A music shop.';

create table shop.artist (
  artist_id integer generated always as identity primary key,
  name text not null
);
create index on shop.artist (name);
comment on table shop.artist is 'A person or group that records music.';
comment on column shop.artist.name is 'The name on the cover.';

create table shop.album (
  album_id integer generated always as identity primary key,
  artist_id integer not null references shop.artist,
  title text not null,
  released_on date
);
create index on shop.album (artist_id);
create index on shop.album (title);
comment on table shop.album is 'Tracks that are sold together.';

create table shop.genre (
  genre_id integer generated always as identity primary key,
  name text not null unique
);

create type shop.media as enum ('mp3', 'flac', 'vinyl record');

create table shop.track (
  track_id integer generated always as identity primary key,
  album_id integer references shop.album,
  genre_id integer references shop.genre,
  name text not null,
  media shop.media not null default 'mp3',
  length interval not null,
  price numeric(10, 2) not null check (price >= 0),
  tags text[] not null default '{}'
);
create index on shop.track (album_id);
create index on shop.track (genre_id);
create index on shop.track (name);
create index on shop.track (price);
comment on column shop.track.price is 'The price in euros.';

create table shop.playlist (
  playlist_id integer generated always as identity primary key,
  name text not null
);

create table shop.playlist_track (
  playlist_id integer not null references shop.playlist,
  track_id integer not null references shop.track,
  position integer not null,
  primary key (playlist_id, track_id)
);
create index on shop.playlist_track (track_id);
comment on table shop.playlist_track is 'A track of a playlist.';

create table shop.staff_member (
  staff_member_id integer generated always as identity primary key,
  reports_to integer references shop.staff_member,
  name text not null,
  email text not null unique,
  password_hash text not null
);
create index on shop.staff_member (reports_to);
comment on column shop.staff_member.reports_to is 'The superior.';

create table shop.customer (
  customer_id integer generated always as identity primary key,
  support_rep_id integer references shop.staff_member,
  -- The ID of the customer's account in the gateway.
  user_id uuid,
  name text not null,
  email text not null,
  country text
);
create index on shop.customer (support_rep_id);
create index on shop.customer (country);
create index on shop.customer (user_id);

create table shop.address (
  address_id integer generated always as identity primary key,
  customer_id integer not null references shop.customer,
  street text not null,
  city text not null,
  postal_code text
);
create index on shop.address (customer_id);

create table shop.invoice (
  invoice_id bigint generated always as identity primary key,
  customer_id integer not null references shop.customer,
  billing_address_id integer references shop.address,
  shipping_address_id integer references shop.address,
  invoiced_at timestamptz not null default now(),
  total numeric(10, 2) not null default 0
);
create index on shop.invoice (customer_id);
create index on shop.invoice (billing_address_id);
create index on shop.invoice (shipping_address_id);
create index on shop.invoice (invoiced_at);

create table shop.invoice_line (
  invoice_id bigint not null references shop.invoice,
  line integer not null,
  track_id integer not null references shop.track,
  unit_price numeric(10, 2) not null,
  quantity integer not null default 1,
  amount numeric(12, 2) generated always as (unit_price * quantity) stored,
  primary key (invoice_id, line)
);
create index on shop.invoice_line (track_id);
comment on column shop.invoice_line.amount is 'The price of the line, computed by the database.';

-- A view is typed with --key customer_id.
create view shop.customer_total as
  select customer_id, count(*) as invoices, sum(total) as total from shop.invoice group by customer_id;

-- Rows, the same on every run.
insert into shop.artist (name) select 'Artist ' || n from generate_series(1, 50) n;
insert into shop.album (artist_id, title, released_on) select 1 + n % 50, 'Album ' || n, date '1990-01-01' + n * 37 from generate_series(1, 200) n;
insert into shop.genre (name) select unnest(array['Rock', 'Jazz', 'Classical', 'Electronic', 'Folk']);
insert into shop.track (album_id, genre_id, name, media, length, price, tags)
  select 1 + n % 200, 1 + n % 5, 'Track ' || n, (enum_range(null::shop.media))[1 + n % 3], (120 + n % 300) * interval '1 second', 0.79 + n % 4 * 0.20,
    array(select 'tag ' || t from generate_series(1, n % 3) t)
  from generate_series(1, 2000) n;
insert into shop.playlist (name) select 'Playlist ' || n from generate_series(1, 20) n;
insert into shop.playlist_track select 1 + n % 20, 1 + n % 2000, n / 20 from generate_series(1, 2000) n on conflict do nothing;
insert into shop.staff_member (reports_to, name, email, password_hash)
  select nullif(n / 3, 0), 'Staff ' || n, 'staff' || n || '@shop.example', 'secret' from generate_series(1, 10) n;
insert into shop.customer (support_rep_id, name, email, country)
  select 1 + n % 10, 'Customer ' || n, 'customer' || n || '@example.org', (array['DE', 'FR', 'PT', null])[1 + n % 4] from generate_series(1, 300) n;
insert into shop.address (customer_id, street, city, postal_code) select 1 + n % 300, n || ' Main Street', 'City ' || n % 40, lpad(n::text, 5, '0') from generate_series(1, 400) n;
insert into shop.invoice (customer_id, billing_address_id, shipping_address_id, invoiced_at)
  select 1 + n % 300, 1 + n % 400, nullif(1 + n % 401, 401), timestamptz '2024-01-01' + n * interval '5 hours' from generate_series(1, 1500) n;
insert into shop.invoice_line (invoice_id, line, track_id, unit_price, quantity)
  select n, line, 1 + (n * 7 + line) % 2000, 0.99, 1 + line % 2 from generate_series(1, 1500) n, generate_series(1, 3) line;
update shop.invoice set total = (select sum(amount) from shop.invoice_line line where line.invoice_id = invoice.invoice_id);
analyze;
