#!/bin/bash
# Makes demo.jsonl anew: real Prosody, two real slixmpp clients, the real proxy.
# Wants prosody, prosody-modules, python3-slixmpp and python3-aiohttp (Debian), openssl and Go.
set -euo pipefail
cd "$(dirname "$0")"
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
go build -o "$dir/xmpplens" ../../cmd/xmpplens

hosts=montague.example,DNS:capulet.example,DNS:rooms.montague.example,DNS:upload.montague.example
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=montague.example" \
	-addext "subjectAltName=DNS:$hosts" -keyout "$dir/key.pem" -out "$dir/cert.pem" 2> /dev/null
mkdir "$dir/data"
cat > "$dir/prosody.cfg.lua" <<X
run_as_root = true
pidfile = "$dir/pid"  data_path = "$dir/data"  admin_socket = "$dir/sock"
interfaces = { "127.0.0.1" }
c2s_ports = { 25822 }  s2s_ports = {}  http_ports = { 25880 }  http_interfaces = { "127.0.0.1" }  https_ports = {}
c2s_require_encryption = true
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "time", "version", "private", "pep", "vcard4", "vcard_legacy", "blocklist", "carbons", "mam", "smacks", "csi", "offline" }
modules_disabled = { "s2s" }
http_external_url = "https://upload.montague.example/"
ssl = { certificate = "$dir/cert.pem"; key = "$dir/key.pem" }
log = { error = "$dir/log" }
VirtualHost "montague.example"
VirtualHost "capulet.example"
Component "rooms.montague.example" "muc"
Component "upload.montague.example" "http_file_share"
X
prosody -F --config "$dir/prosody.cfg.lua" > "$dir/console" 2>&1 &
prosodyctl --config "$dir/prosody.cfg.lua" register romeo montague.example demo > /dev/null
prosodyctl --config "$dir/prosody.cfg.lua" register juliet capulet.example demo > /dev/null
wait_for() { for _ in $(seq 200); do (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null && return; sleep 0.05; done; return 1; }
wait_for 25822
"$dir/xmpplens" proxy -l 127.0.0.1:25823 --ca-dir "$dir/ca" --server-ca "$dir/cert.pem" --no-web --format=line --force -w demo.jsonl 127.0.0.1:25822 &
proxy=$!
sleep 1
/usr/bin/python3 demo.py 127.0.0.1 25823 "$dir/ca/ca.pem"
kill -INT $proxy
wait $proxy
