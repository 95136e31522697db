#!/usr/bin/env bash
# Debian 13's PostgreSQL with its pgvector, in a folder of its own, on 127.0.0.1: root is needed, and debootstrap.
#   bash tests/integration/servers/debian.sh FOLDER PORT PASSWORD    makes it where it is missing, and starts it
#   chroot FOLDER pg_ctlcluster 17 main stop                         ends it
# Role and database are called ragft. The role may make databases; the extension is made by Postgres' own account, as an
# administrator would.
set -euo pipefail
folder=$1 port=$2 password=$3
if [ ! -e "$folder/ready" ]; then
    debootstrap --variant=minbase trixie "$folder" http://deb.debian.org/debian
    chroot "$folder" apt-get update --quiet
    DEBIAN_FRONTEND=noninteractive chroot "$folder" \
        apt-get install --quiet --yes --no-install-recommends postgresql-17 postgresql-17-pgvector
    touch "$folder/ready"
fi
mountpoint --quiet "$folder/proc" || mount -t proc proc "$folder/proc"
mountpoint --quiet "$folder/dev/shm" || { mkdir -p "$folder/dev/shm"; mount -t tmpfs -o size=512m tmpfs "$folder/dev/shm"; }
chroot "$folder" pg_conftool 17 main set port "$port"
chroot "$folder" pg_ctlcluster 17 main restart
as_postgres() { chroot "$folder" su postgres --command "psql --quiet --port $port --set ON_ERROR_STOP=1 $*"; }
if [ -z "$(as_postgres --tuples-only --command "'SELECT 1 FROM pg_roles WHERE rolname = \$\$ragft\$\$'" | tr -d ' ')" ]; then
    printf "CREATE ROLE ragft LOGIN CREATEDB PASSWORD '%s';\n" "$password" | as_postgres
    printf 'CREATE DATABASE ragft OWNER ragft;\n' | as_postgres
    printf 'CREATE EXTENSION vector;\n' | as_postgres --dbname ragft
fi
