#!/usr/bin/env bash
# Bring up a real single-node Ceph RGW (the software DigitalOcean Spaces runs on) on 127.0.0.1.
# Idempotent: running it again when the rig is up only re-prints the environment.
# Needs (Debian 12):  apt-get install --no-install-recommends ceph-mon ceph-osd ceph-mgr radosgw
# Env: RGW_HOME (state dir), RGW_PORT, RGW_TLS_PORT, RGW_MON_PORT, RGW_ACCESS_KEY, RGW_SECRET_KEY, RGW_REGION,
#      RGW_LC_DEBUG_INTERVAL (seconds that count as one lifecycle day), RGW_DEBUG (log level), RGW_FRESH=1 (rebuild)
# No authentication between daemons, everything bound to loopback, data kept in RAM (memstore):
# a test rig only.
set -euo pipefail
RGW_HOME=${RGW_HOME:-${TMPDIR:-/tmp}/rythmiq-rgw}
RGW_PORT=${RGW_PORT:-37480}
RGW_TLS_PORT=${RGW_TLS_PORT:-37443}
RGW_MON_PORT=${RGW_MON_PORT:-36789}
RGW_ACCESS_KEY=${RGW_ACCESS_KEY:-RIGACCESSKEY00000001}
RGW_SECRET_KEY=${RGW_SECRET_KEY:-rigsecretrigsecretrigsecretrigsecret0001}
RGW_REGION=${RGW_REGION:-nyc3}   # any: RGW takes the region from the credential scope
HERE=$(cd "$(dirname "$0")" && pwd)
CONF=$RGW_HOME/ceph.conf
RUN=$RGW_HOME/run; LOG=$RGW_HOME/log
say() { echo "[rgw-up] $*" >&2; }

for b in ceph ceph-mon ceph-osd radosgw radosgw-admin monmaptool; do
  command -v $b >/dev/null || { say "missing $b: apt-get install --no-install-recommends ceph-mon ceph-osd ceph-mgr radosgw"; exit 3; }
done

# a start can lose a race between mon and osd ("wrong fsid"): wipe and try again, three times in all
if [ -z "${RGW_TRY:-}" ]; then
  for RGW_TRY in 1 2 3; do
    export RGW_TRY RGW_HOME; bash "$0" "$@" && exit 0
    say "attempt $RGW_TRY failed"; bash "$HERE/rgw-down.sh" --quiet --wipe
  done
  exit 1
fi

alive() { [ -s "$RUN/$1.pid" ] && kill -0 "$(cat "$RUN/$1.pid")" 2>/dev/null; }
wait_for() { # wait_for SECONDS DESCRIPTION cmd...
  local n=$1 d=$2; shift 2
  for _ in $(seq $((n * 2))); do "$@" >/dev/null 2>&1 && return 0; sleep .5; done
  say "timed out after ${n}s: $d"; for f in "$LOG"/*.log; do echo "== $f" >&2; tail -n 5 "$f" >&2; done; return 1
}
http_ok() { [ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 2 "http://127.0.0.1:$RGW_PORT/")" != 000 ]; }
print_env() {
  cat > "$RGW_HOME/env" <<EOT
export S3_ENDPOINT=http://127.0.0.1:$RGW_PORT
export S3_TLS_ENDPOINT=https://127.0.0.1:$RGW_TLS_PORT
export S3_CA=$RGW_HOME/ca.pem
export S3_REGION=$RGW_REGION
export S3_ACCESS_KEY=$RGW_ACCESS_KEY
export S3_SECRET_KEY=$RGW_SECRET_KEY
EOT
  cat "$RGW_HOME/env"
}

if alive mon && alive osd && alive rgw && http_ok && [ -z "${RGW_FRESH:-}" ]; then say "already up"; print_env; exit 0; fi
# memstore keeps nothing once the OSD process ends, so a half-dead rig is rebuilt from nothing
RGW_HOME=$RGW_HOME bash "$HERE/rgw-down.sh" --quiet
rm -rf "${RGW_HOME:?}/mon" "$RGW_HOME/osd" "$RGW_HOME/mgr" "$RUN" "$LOG"
mkdir -p "$RGW_HOME"/{mon,osd,mgr,run,log,osd/tmp}

FSID=$(cat /proc/sys/kernel/random/uuid)
cat > "$CONF" <<EOT
[global]
fsid = $FSID
mon_initial_members = a
mon_host = v1:127.0.0.1:$RGW_MON_PORT
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
auth_allow_insecure_global_id_reclaim = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 2000
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_warn_on_pool_no_redundancy = false
ms_bind_msgr2 = false
mon_data_avail_crit = 1
mon_data_avail_warn = 2
run_dir = $RUN
log_file = $LOG/\$name.log
admin_socket = $RUN/\$cluster-\$name.asok
crash_dir = $RGW_HOME/crash
mon_cluster_log_file = $LOG/cluster.log
[mon.a]
host = localhost
mon_data = $RGW_HOME/mon
pid_file = $RUN/mon.pid
[osd.0]
osd_data = $RGW_HOME/osd
osd_journal = $RGW_HOME/osd/journal
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_memory_target = 1073741824
pid_file = $RUN/osd.pid
[client.admin]
log_file = $LOG/admin.log
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$RGW_PORT ssl_endpoint=127.0.0.1:$RGW_TLS_PORT ssl_certificate=$RGW_HOME/tls.pem ssl_private_key=$RGW_HOME/tls.pem
rgw_data = $RGW_HOME/rgw
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_thread_pool_size = 32
rgw_lc_debug_interval = ${RGW_LC_DEBUG_INTERVAL:-5}
rgw_s3_auth_use_sts = false
rgw_dns_name = ${RGW_DNS_NAME:-spaces.localhost}
debug_rgw = ${RGW_DEBUG:-1}
pid_file = $RUN/rgw.pid
EOT
C=(ceph -c "$CONF" --connect-timeout 5)
[ -s "$RGW_HOME/tls.pem" ] || {
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=localhost" \
    -addext "subjectAltName=DNS:localhost,DNS:spaces.localhost,DNS:*.spaces.localhost,IP:127.0.0.1" \
    -keyout "$RGW_HOME/key.pem" -out "$RGW_HOME/ca.pem" 2>/dev/null
  cat "$RGW_HOME/key.pem" "$RGW_HOME/ca.pem" > "$RGW_HOME/tls.pem"
}

say "mon"
monmaptool --create --clobber --fsid "$FSID" --addv a "v1:127.0.0.1:$RGW_MON_PORT" "$RGW_HOME/monmap" >/dev/null
ceph-mon -c "$CONF" --mkfs -i a --monmap "$RGW_HOME/monmap" >/dev/null
ceph-mon -c "$CONF" -i a
wait_for 20 "mon quorum" "${C[@]}" -s

say "osd (memstore)"
OSD_UUID=$(cat /proc/sys/kernel/random/uuid)
"${C[@]}" osd new "$OSD_UUID" 0 >/dev/null
ceph-osd -c "$CONF" -i 0 --mkfs --osd-uuid "$OSD_UUID" >"$LOG/mkfs.out" 2>&1
"${C[@]}" osd crush add osd.0 1.0 root=default host=localhost >/dev/null 2>&1
ceph-osd -c "$CONF" -i 0 >/dev/null 2>&1
wait_for 30 "osd up" bash -c "ceph -c '$CONF' --connect-timeout 5 osd stat | grep -q '1 up'"

say "radosgw"
mkdir -p "$RGW_HOME/rgw"
radosgw -c "$CONF" -n client.rgw   # creates its pools and the default zone, then daemonizes
wait_for 120 "rgw http" http_ok

A=(radosgw-admin -c "$CONF" -n client.rgw --admin-socket "$RUN/admin.asok")
"${A[@]}" user info --uid rig >/dev/null 2>&1 || "${A[@]}" user create --uid rig --display-name "rig" \
   --access-key "$RGW_ACCESS_KEY" --secret-key "$RGW_SECRET_KEY" >/dev/null
say "up"
print_env
