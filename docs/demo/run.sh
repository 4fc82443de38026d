#!/bin/sh
# The demonstration: a sample shop's API, living and at times unwell, replicated
# into a DuckDB file, twice. `make demo` runs it.
set -eu
sluice=$1
dir=${DEMO_DIR:-demo-data}
port=${DEMO_PORT:-8099}
mkdir -p "$dir"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

say "1. A sample shop with an API of its own, at 127.0.0.1:$port (some answers are slow, refused or broken, on purpose)"
"$sluice" sample-api --listen "127.0.0.1:$port" --chaos 0.05 --pace 20 >"$dir/sample-api.log" 2>&1 &
api=$!
trap 'kill $api 2>/dev/null || true' EXIT INT TERM
tries=0
until grep -q 'sample shop is at' "$dir/sample-api.log"; do
	if ! kill -0 $api 2>/dev/null || [ $tries -ge 100 ]; then
		cat "$dir/sample-api.log"
		echo "the sample API did not start; is port $port taken? Choose another: make demo DEMO_PORT=9000" >&2
		exit 1
	fi
	tries=$((tries + 1))
	sleep 0.1
done

cat >"$dir/shop.yaml" <<EOF
source:
  connector: shop
  config: {base_url: "http://127.0.0.1:$port", api_key: demo}
destination:
  connector: duckdb
  config: {path: "$dir/warehouse.duckdb"}
schema: shop
nested: tables
EOF

say "2. sluice sync $dir/shop.yaml"
"$sluice" sync "$dir/shop.yaml"

say "3. Again: only what is new or has changed since"
"$sluice" sync "$dir/shop.yaml"

say "4. sluice sql $dir/shop.yaml 'select …'"
"$sluice" sql "$dir/shop.yaml"
"$sluice" sql "$dir/shop.yaml" "
	select c.country, count(distinct o.id) as orders, count(*) as lines
	from shop.orders o join shop.customers c on c.id = o.customer_id
	join shop.orders_lines l on l._sluice_parent_id = o._sluice_id
	group by 1 order by 2 desc limit 5"

cat <<EOF

The pipeline is $dir/shop.yaml, the data $dir/warehouse.duckdb. A pipeline of your own: see README.md.
EOF
