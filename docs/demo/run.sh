#!/bin/sh
# The demonstration: the platform in one process on embedded parts, with a sample
# shop's API, living and at times unwell, replicated into a DuckDB file every
# minute by one connection, and by others less often; one has an outdated key. `make demo` runs it, again and again if you like: each run goes on where
# the one before ended. On a terminal it stays until Ctrl-C; elsewhere it ends
# after two syncs.
set -eu
sluice=$1
dir=${DEMO_DIR:-demo-data}
shop=127.0.0.1:${DEMO_PORT:-8099}
listen=${DEMO_LISTEN:-127.0.0.1:8080}
mkdir -p "$dir/sluice.d"
export SLUICE_SERVER="http://$listen" SLUICE_DATA_DIR="$dir/platform"

if [ -t 1 ]; then bold='\033[1m' plain='\033[0m'; else bold='' plain=''; fi
say() { printf "\n${bold}%s${plain}\n" "$*"; }
show() { printf "${bold}\$ sluice %s${plain}\n" "$*"; }

api='' up=''
finish() {
	trap - EXIT
	[ -z "$up" ] || { kill "$up" 2>/dev/null && wait "$up"; } || true
	[ -z "$api" ] || kill "$api" 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT TERM

# started LOG WORDS PID WHAT waits until the log has the words. Errors are beside
# the log.
started() {
	tries=0
	until grep -q "$2" "$1"; do
		if ! kill -0 "$3" 2>/dev/null || [ $tries -ge 300 ]; then
			tail -n 20 "$1" "${1%.log}.err" >&2 || true
			echo "$4" >&2
			exit 1
		fi
		tries=$((tries + 1))
		sleep 0.1
	done
}

# The shop opens with the first run, so that its data are the same in the next.
[ -s "$dir/since" ] || date -u +%Y-%m-%dT%H:%M:%SZ >"$dir/since"

say "A sample shop opens at http://$shop. On purpose, its API is slow, refuses or fails with one request in four."
: >"$dir/sample-api.log"
"$sluice" sample-api --listen "$shop" --since "$(cat "$dir/since")" --pace 30 --scale 2 --chaos 0.25 >"$dir/sample-api.log" 2>"$dir/sample-api.err" &
api=$!
started "$dir/sample-api.log" 'sample shop is at' $api "The sample API did not start. Is $shop taken? Choose another port: make demo DEMO_PORT=9000"

say 'The platform starts: API, scheduler and a worker in one process, everything in one folder.'
show "up --data-dir $SLUICE_DATA_DIR --listen $listen"
: >"$dir/up.log"
"$sluice" up --listen "$listen" >"$dir/up.log" 2>"$dir/up.err" &
up=$!
started "$dir/up.log" '^Ready' $up "The platform did not start. Is $listen taken? Choose another address: make demo DEMO_LISTEN=127.0.0.1:9080"
sed 's/^/  /' "$dir/up.log"

say 'A token for the command line is made on the machine of the data folder:'
show 'token create --role admin --name demo'
[ -s "$dir/token" ] || (umask 077 && "$sluice" token create --role admin --name demo 2>/dev/null >"$dir/token")
SLUICE_TOKEN=$(cat "$dir/token")
export SLUICE_TOKEN

cat >"$dir/sluice.d/shop.yaml" <<END
kind: source
name: shop
connector: shop
config: {base_url: "http://$shop", api_key: demo}
---
kind: destination
name: warehouse
connector: duckdb
config: {path: "$(cd "$dir" && pwd)/warehouse.duckdb"}
---
kind: connection
name: shop-to-warehouse
source: shop
destination: warehouse
schema: shop
team: sales
labels: {env: prod}
nested: tables          # an order's lines become a table of their own
schedule: {every: 1m}
---
kind: destination
name: marts
connector: duckdb
config: {path: "$(cd "$dir" && pwd)/marts.duckdb"}
---
kind: connection
name: customers for the newsletter
source: shop
destination: marts
schema: newsletter
team: marketing
labels: {env: prod}
streams: [{name: customers}]
schedule: {every: 2m}
---
kind: connection
name: events for product analytics
source: shop
destination: marts
schema: analytics
team: product
labels: {env: staging}
streams: [{name: events}]
schedule: {every: 3m}
---
kind: source
name: shop of last year
connector: shop
config: {base_url: "http://$shop", api_key: expired}
---
kind: connection
name: archive of last year
source: shop of last year
destination: marts
schema: archive
team: finance
labels: {env: prod}
schedule: {every: 5m}
END
say 'Sources, destinations and connections are a file; applying it again changes nothing.'
sed 's/^/  /' "$dir/sluice.d/shop.yaml"
show "apply -f $dir/sluice.d"
"$sluice" apply -f "$dir/sluice.d"

say 'The connection syncs every minute; we need not wait for that:'
show 'connection sync shop-to-warehouse --wait'
"$sluice" connection sync shop-to-warehouse --wait

say 'Meanwhile the shop went on. Only what is new or has changed is read:'
show 'connection sync shop-to-warehouse --wait'
"$sluice" connection sync shop-to-warehouse --wait
show 'connection list'
"$sluice" connection list

say 'The data are there at once, nested lines in a table of their own:'
show "sql $dir/warehouse.duckdb 'select …'"
"$sluice" sql "$dir/warehouse.duckdb" "
	select o.shipping_address_country as country, count(distinct o.id) as orders, sum(l.quantity) as items,
		count(distinct o.customer_id) as customers, max(o.created_at)::timestamp(0)::text as latest
	from shop.orders o join shop.orders_lines l on l._sluice_parent_id = o._sluice_id
	group by 1 order by 2 desc limit 5"

say 'And the destination remembers every load, in the transaction with its rows:'
show "sql $dir/warehouse.duckdb 'select … from _sluice.loads'"
"$sluice" sql "$dir/warehouse.duckdb" "
	select table_name as \"table\", count(*) as loads, sum(rows_extracted) as extracted, sum(rows_loaded) as loaded, sum(rows_rejected) as rejected
	from _sluice.loads where table_name is not null group by 1 order by 1"

cat <<END

The interface:  http://$listen
The API:        http://$listen/api/docs
Watch it:       SLUICE_TOKEN=\$(cat $dir/token) $sluice connection logs shop-to-warehouse -f
Look around:    $sluice sql $dir/warehouse.duckdb
Without it all: $sluice sync FILE, see README.md
END
if grep -q '/claim#' "$dir/up.log"; then
	say 'Open this link to make your account: it works once, and leads to flight control.'
	grep -o 'http[^ ]*/claim#[^ ]*' "$dir/up.log"
else
	say "Open http://$listen and sign in: flight control shows all of it, live."
fi
if [ -t 0 ] && [ -t 1 ]; then
	say 'It goes on syncing every minute. Ctrl-C ends; make demo goes on from there.'
	wait "$up"
fi
