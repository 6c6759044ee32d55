#!/bin/sh
# Makes a database cluster in /data the first time, with the user and database `cinelake` and the password in
# POSTGRES_PASSWORD, and runs the server on it. A cluster that was not finished is made anew.
set -eu
bin="$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)"
cluster=/data/cluster

if [ ! -e "$cluster.complete" ]; then
  rm -rf "$cluster"
  printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
  "$bin/initdb" --pgdata "$cluster" --username cinelake --pwfile /tmp/password --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$cluster/pg_hba.conf"
  echo 'CREATE DATABASE cinelake' | "$bin/postgres" --single -D "$cluster" postgres >/dev/null
  touch "$cluster.complete"
fi
exec "$bin/postgres" -D "$cluster" -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
