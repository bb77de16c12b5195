#!/bin/sh
# Generates missing secrets, one file each, readable only by the user of its service. Existing secrets stay unchanged.
# Usage: make-secrets.sh FOLDER
set -eu
cd "$1"
umask 077

gateway=10001 postgres=999 grafana=472

main() {
  [ -e jwt-secret ] || random 48 | store jwt-secret $gateway
  [ -e grafana-password ] || random 18 | store grafana-password $grafana
  [ -e postgres-password ] || random 24 | store postgres-password $postgres
  # The two files must match. The one that is tested for is written last.
  if [ ! -e gateway-role-password ]; then
    password=$(random 24)
    printf 'postgresql://auspex:%s@postgres:5432/auspex' "$password" | store database-url $gateway
    printf '%s' "$password" | store gateway-role-password $postgres
  fi
}

# random BYTES: prints random bytes in URL-safe base64.
random() {
  head -c "$1" /dev/urandom | base64 | tr -d '\n=' | tr '+/' '-_'
}

# store NAME UID: writes standard input to a file owned by UID, atomically.
store() {
  cat >draft
  chown "$2:$2" draft
  mv draft "$1"
}

main
