#!/bin/sh
# Makes the secrets of a first start, each in a file that its reader alone may read; later starts keep them.
#   make-secrets.sh FOLDER
set -eu
cd "$1"
umask 077

gateway=10001 postgres=999 grafana=472

main() {
  [ -e jwt-secret ] || random 48 | keep jwt-secret $gateway
  [ -e grafana-password ] || random 18 | keep grafana-password $grafana
  [ -e postgres-password ] || random 24 | keep postgres-password $postgres
  # Two that must fit: the one whose presence counts comes last.
  if [ ! -e gateway-role-password ]; then
    password=$(random 24)
    printf 'postgresql://auspex:%s@postgres:5432/auspex' "$password" | keep database-url $gateway
    printf '%s' "$password" | keep gateway-role-password $postgres
  fi
}

# BYTES of chance, in letters that may stand in a URL.
random() {
  head -c "$1" /dev/urandom | base64 | tr -d '\n=' | tr '+/' '-_'
}

# Standard input as NAME for READER: whole, or not at all.
keep() {
  cat >draft
  chown "$2:$2" draft
  mv draft "$1"
}

main
