#!/usr/bin/env bash
# The whole flow by curl: docs/client-in-any-language.md as a script. Node >= 20 reads JSON, seals and opens (rqe1.mjs).
#   client.sh BASE TOKEN FILE PORTAL SLOT OUT
set -euo pipefail
base=$1 token=$2 file=$3 portal=$4 slot=$5 out=$6
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

field() { node -e 'let v = JSON.parse(require("fs").readFileSync(process.argv[1])); for (const k of process.argv[2].split(".")) v = v?.[k]; process.stdout.write(String(v ?? ""))' "$1" "$2"; }
json() { node -e 'const [, ...a] = process.argv; const o = {}; for (let i = 0; i < a.length; i += 2) o[a[i]] = a[i] === "size_bytes" ? Number(a[i + 1]) : a[i + 1]; process.stdout.write(JSON.stringify(o))' "$@"; }
call() { # METHOD PATH ANSWER [curl's options]; prints the status
  local method=$1 path=$2 answer=$3
  shift 3
  curl -sS -X "$method" "$base/api$path" -H "Authorization: Bearer $token" -o "$answer" -w '%{http_code}' "$@"
}
refused() { echo "$(field "$1" code): $(field "$1" detail)" >&2; exit 1; }

announced=$(json filename "$(basename "$file")" mime_type image/jpeg size_bytes "$(wc -c <"$file")")
status=$(call POST /uploads "$work/upload.json" -H 'Content-Type: application/json' -d "$announced")
[[ $status == 201 ]] || refused "$work/upload.json"
upload() { field "$work/upload.json" "$1"; }

node "$here/rqe1.mjs" seal "$(upload raw_path)" "$(upload encryption.data_key)" "$(upload encryption.kid)" \
  "$(upload encryption.wrapped_key)" <"$file" >"$work/sealed"
node -e 'for (const [k, v] of Object.entries(JSON.parse(require("fs").readFileSync(process.argv[1])).upload.headers)) console.log(`${k}: ${v}`)' \
  "$work/upload.json" >"$work/headers"
status=$(curl -sS -X PUT "$(upload upload.url)" -H @"$work/headers" -H 'Expect:' --data-binary @"$work/sealed" -o /dev/null -w '%{http_code}')
[[ $status == 200 || $status == 412 ]] || { echo "the store answered $status" >&2; exit 1; } # 412: it is there already

id=$(upload job_id)
order=$(json portal "$portal" slot "$slot" raw_path "$(upload raw_path)" original_filename "$(basename "$file")")
status=$(call POST /jobs "$work/job.json" -H 'Content-Type: application/json' -H "Idempotency-Key: $id" -d "$order")
[[ $status == 202 ]] || refused "$work/job.json"

etag=
until [[ $(field "$work/job.json" status) =~ ^(completed|failed)$ ]]; do
  status=$(call GET "/jobs/$id?wait=10" "$work/look.json" -D "$work/look.headers" ${etag:+-H "If-None-Match: $etag"})
  [[ $status == 304 ]] && continue # nothing has changed
  [[ $status == 200 ]] || refused "$work/look.json"
  mv "$work/look.json" "$work/job.json"
  etag=$(sed -n 's/^[Ee][Tt]ag: *\(.*\)\r$/\1/p' "$work/look.headers")
done
[[ $(field "$work/job.json" status) == completed ]] || { echo "$(field "$work/job.json" error.code): $(field "$work/job.json" error.message)" >&2; exit 1; }

curl -sS --fail "$(field "$work/job.json" links.document)" -o "$work/document"
node "$here/rqe1.mjs" open "$(field "$work/job.json" artifacts.document_path)" \
  "$(field "$work/job.json" encryption.data_key)" <"$work/document" >"$out"
[[ $(sha256sum <"$out") == "$(field "$work/job.json" receipt.document.sha256)  -" ]] || { echo "not the receipt's" >&2; exit 1; }
echo "$(field "$work/job.json" receipt.document.filename)"
