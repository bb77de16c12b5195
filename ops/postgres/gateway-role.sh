#!/bin/bash
# Runs once, when the cluster is initialized. The gateway's role owns its database and nothing else.
set -euo pipefail

password=$(cat /run/auspex/gateway-role-password)
psql --no-psqlrc --set ON_ERROR_STOP=1 --set password="$password" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
create role auspex login password :'password';
create database auspex owner auspex;
SQL
