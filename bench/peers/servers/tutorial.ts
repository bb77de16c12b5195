/* Apollo Server, type-graphql, MikroORM and graphql-shield as their tutorials combine them: entities are GraphQL types, and each field loads its own row. */
import 'reflect-metadata';
import { ApolloServer } from '@apollo/server';
import { startStandaloneServer } from '@apollo/server/standalone';
import { MikroORM, type EntityManager, type Ref } from '@mikro-orm/postgresql';
import { Entity, ManyToOne, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { applyMiddleware } from 'graphql-middleware';
import { allow, rule, shield } from 'graphql-shield';
import { Arg, buildSchema, Ctx, Field, FieldResolver, ID, Int, ObjectType, Query, Resolver, Root } from 'type-graphql';

interface Context {
  em: EntityManager;
  user: string | undefined;
}

@ObjectType()
@Entity()
class Department {
  @Field(() => ID)
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @Field(() => String)
  @Property({ type: 'string' })
  name!: string;
}

@ObjectType()
@Entity()
class Employee {
  @Field(() => ID)
  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @Field(() => String)
  @Property({ type: 'string' })
  name!: string;

  @Field(() => String)
  @Property({ type: 'string' })
  email!: string;

  @Field(() => Int)
  @Property({ type: 'smallint' })
  age!: number;

  @Field(() => String)
  @Property({ type: 'string' })
  jobTitle!: string;

  @Field(() => String)
  @Property({ type: 'date' })
  hiredOn!: string;

  @ManyToOne(() => Department, { ref: true })
  department!: Ref<Department>;

  @ManyToOne(() => Employee, { ref: true, nullable: true })
  manager!: Ref<Employee> | null;
}

@ObjectType()
class EmployeeConnection {
  @Field(() => [Employee])
  nodes!: Employee[];
}

@Resolver(() => Employee)
class EmployeeResolver {
  @Query(() => EmployeeConnection)
  async employees(@Arg('first', () => Int) first: number, @Ctx() { em }: Context): Promise<EmployeeConnection> {
    const nodes = await em.find(Employee, {}, { orderBy: { name: 'asc', id: 'asc' }, limit: Math.min(first, 100) });
    return { nodes };
  }

  @Query(() => Employee, { nullable: true })
  employee(@Arg('id', () => ID) id: string, @Ctx() { em }: Context): Promise<Employee | null> {
    return em.findOne(Employee, { id });
  }

  @FieldResolver(() => Department)
  department(@Root() employee: Employee): Promise<Department | null> {
    return employee.department.load();
  }

  @FieldResolver(() => Employee, { nullable: true })
  manager(@Root() employee: Employee): Promise<Employee | null> | null {
    return employee.manager?.load() ?? null;
  }
}

const isSignedIn = rule({ cache: 'contextual' })((_parent, _args, { user }: Context) => user !== undefined);
const permissions = shield(
  { Query: { '*': isSignedIn }, Employee: isSignedIn, EmployeeConnection: isSignedIn, Department: isSignedIn },
  { fallbackRule: allow },
);

async function main(): Promise<void> {
  const orm = await MikroORM.init({
    clientUrl: process.env.DATABASE_URL ?? '',
    entities: [Department, Employee],
    schema: 'auspex',
    pool: { max: Number(process.env.POOL_SIZE) },
    // One statement for the references of a tick, instead of one each.
    dataloader: process.env.DATALOADER === 'true',
  });
  const schema = applyMiddleware(await buildSchema({ resolvers: [EmployeeResolver], validate: false }), permissions);
  const { url } = await startStandaloneServer(new ApolloServer<Context>({ schema }), {
    listen: { port: 0, host: '127.0.0.1' },
    context: ({ req }) => Promise.resolve({ em: orm.em.fork(), user: req.headers.authorization }),
  });
  process.stdout.write(`${url}\n`);
}

void main();
