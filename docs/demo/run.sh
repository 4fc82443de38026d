#!/bin/sh
# The demonstration: a sample shop's API, living and at times unwell, replicated
# into a DuckDB file, twice. `make demo` runs it, again and again if you like: each
# run goes on where the one before ended.
set -eu
sluice=$1
dir=${DEMO_DIR:-demo-data}
port=${DEMO_PORT:-8099}
file=$dir/shop.yaml
mkdir -p "$dir"

if [ -t 1 ]; then bold='\033[1m' plain='\033[0m'; else bold='' plain=''; fi
say() { printf "\n${bold}%s${plain}\n" "$*"; }
show() { printf "${bold}\$ sluice %s${plain}\n" "$*"; }

# The shop opens with the first run, so that its data are the same in the next.
[ -s "$dir/since" ] || date -u +%Y-%m-%dT%H:%M:%SZ >"$dir/since"

say "A sample shop opens at http://127.0.0.1:$port. On purpose, its API is slow, refuses or fails with one request in four."
: >"$dir/sample-api.log"
"$sluice" sample-api --listen "127.0.0.1:$port" --since "$(cat "$dir/since")" --pace 30 --scale 2 --chaos 0.25 >"$dir/sample-api.log" 2>&1 &
api=$!
trap 'kill $api 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
tries=0
until grep -q 'sample shop is at' "$dir/sample-api.log"; do
	if ! kill -0 $api 2>/dev/null || [ $tries -ge 100 ]; then
		cat "$dir/sample-api.log" >&2
		echo "The sample API did not start. Is port $port taken? Choose another one: make demo DEMO_PORT=9000" >&2
		exit 1
	fi
	tries=$((tries + 1))
	sleep 0.1
done

cat >"$file" <<END
source:
  connector: shop
  config: {base_url: "http://127.0.0.1:$port", api_key: demo}
destination:
  connector: duckdb
  config: {path: "$dir/warehouse.duckdb"}
schema: shop
nested: tables        # an order's lines become a table of their own
END

say 'The pipeline is a file:'
sed 's/^/  /' "$file"

say 'All of the shop goes into a DuckDB file. What fails is tried again, and no row comes twice.'
show "sync $file"
"$sluice" sync "$file"

say 'Meanwhile the shop went on. Only what is new or has changed is read:'
show "sync $file"
"$sluice" sync "$file"

say 'The data are there at once, nested lines in a table of their own:'
show "sql $file 'select …'"
"$sluice" sql "$file" "
	select o.shipping_address_country as country, count(distinct o.id) as orders, sum(l.quantity) as items,
		count(distinct o.customer_id) as customers, max(o.created_at)::timestamp(0)::text as latest
	from shop.orders o join shop.orders_lines l on l._sluice_parent_id = o._sluice_id
	group by 1 order by 2 desc limit 5"

say 'And the destination remembers every load, in the transaction with its rows:'
show "sql $file 'select … from _sluice.loads'"
"$sluice" sql "$file" "
	select table_name as \"table\", count(*) as loads, sum(rows_extracted) as extracted, sum(rows_loaded) as loaded, sum(rows_rejected) as rejected
	from _sluice.loads where table_name is not null group by 1 order by 1"

cat <<END

Look around:   $sluice sql $file
Once more:     make demo
Your own:      README.md
END
