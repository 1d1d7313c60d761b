#!/usr/bin/env bash
# Has a file scanned by Lazaret's verdict API before it goes anywhere.
#
#     LAZARET_USER=... LAZARET_PASSWORD=... ./scan.sh https://lazaret.example.com FILE
#
# Exit code: 0 clean, 1 something was found, 2 nobody knows. Needs: curl 7.66 or newer, jq.
set -uo pipefail

if [ $# -ne 2 ] || [ -z "${LAZARET_USER:-}" ] || [ -z "${LAZARET_PASSWORD:-}" ]; then
  sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
base=${1%/} file=$2
if [ ! -f "$file" ] || [ ! -r "$file" ]; then
  echo "error: $file can't be read" >&2
  exit 2
fi
# curl takes a lone "-" for standard input
[ "$file" != - ] || file=./-

answer=$(mktemp) || exit 2
trap 'rm -f "$answer"' EXIT

# Posts to a path of the API. A full server says 429, one that can't scan right now 503: curl tries again when they say.
post() {
  local path=$1 status
  shift
  status=$(curl --silent --show-error --globoff --connect-timeout 10 --max-time 4000 --retry 4 \
    --request POST --output "$answer" --write-out '%{http_code}' "$@" "$base$path") || return 1
  [ "$status" = 200 ] && return
  echo "error: $status: $(jq --ascii-output '.errorMessage' "$answer" 2>/dev/null || echo 'no answer of the API')" >&2
  return 1
}

# Neither password nor token become an argument, which everybody on the machine could see.
jq -n '{username: env.LAZARET_USER, password: env.LAZARET_PASSWORD}' |
  post /api/Token --header 'Content-Type: application/json' --data-binary @- || exit 2
token=$(jq -r .accessToken "$answer")
name=$(jq -rn --arg name "${file##*/}" '$name | @uri')

# --upload-file sends a file as it is read: it need not fit into memory
post /api/Scan --upload-file "$file" --header "File-Name: $name" --header 'Content-Type: application/octet-stream' \
  --config <(printf 'header = "Authorization: Bearer %s"\n' "$token") || exit 2

result=$(jq -r .result "$answer")
echo "$file: $result"
# names of members come from whoever made the archive: as ASCII they are nothing that a terminal obeys
jq --ascii-output --compact-output '.detectedInfections[], (.errorMessage // empty)' "$answer"
case $result in
  Clean) exit 0 ;;
  Infected | InfectedAllowed) exit 1 ;;
  *) exit 2 ;; # whatever is not Clean is not: also what nobody could read
esac
