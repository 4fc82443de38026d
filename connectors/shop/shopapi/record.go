package shopapi

import (
	"strconv"
	"time"
)

// The records are appended by hand: a benchmark of a million of them must not
// measure this server.

func field(dst []byte, name string) []byte {
	if last := dst[len(dst)-1]; last != '{' && last != '[' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func number(dst []byte, name string, n int64) []byte {
	return strconv.AppendInt(field(dst, name), n, 10)
}

func text(dst []byte, name string, parts ...string) []byte {
	dst = append(field(dst, name), '"')
	for _, p := range parts { // plain words of our own: nothing to escape
		dst = append(dst, p...)
	}
	return append(dst, '"')
}

func truth(dst []byte, name string, v bool) []byte {
	return strconv.AppendBool(field(dst, name), v)
}

func null(dst []byte, name string) []byte { return append(field(dst, name), "null"...) }

// hundredths writes an amount of money or a weight with two decimals.
func hundredths(dst []byte, name string, n int64) []byte {
	dst = strconv.AppendInt(field(dst, name), n/100, 10)
	return append(dst, '.', byte('0'+n/10%10), byte('0'+n%10))
}

func moment(dst []byte, name string, micros int64) []byte {
	dst = append(field(dst, name), '"')
	dst = appendTime(dst, micros)
	return append(dst, '"')
}

// appendTime writes RFC 3339 in UTC with microseconds.
func appendTime(dst []byte, micros int64) []byte {
	seconds := floor(micros, 1e6)
	year, month, day := time.Unix(seconds, 0).UTC().Date()
	s := seconds - floor(seconds, 86400)*86400
	dst = digits(dst, int64(year), 4, '-')
	dst = digits(dst, int64(month), 2, '-')
	dst = digits(dst, int64(day), 2, 'T')
	dst = digits(dst, s/3600, 2, ':')
	dst = digits(dst, s/60%60, 2, ':')
	dst = digits(dst, s%60, 2, '.')
	return digits(dst, micros-seconds*1e6, 6, 'Z')
}

func digits(dst []byte, n int64, width int, after byte) []byte {
	end := len(dst) + width
	dst = append(dst, "000000"[:width]...)
	for i := end - 1; n > 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return append(dst, after)
}

func (w *world) customer(dst []byte, it item) []byte {
	d := w.dice("customers", it.id)
	first, last := pick(&d, firstNames), pick(&d, lastNames)
	gone := it.id%97 == 0 && it.stage >= 3
	dst = number(append(dst, '{'), "id", it.id)
	if gone { // who asked to be forgotten
		dst = null(null(null(dst, "name"), "email"), "phone")
	} else {
		dst = text(dst, "name", first, " ", last)
		dst = text(dst, "email", first, ".", last, strconv.FormatInt(it.id, 10), "@", pick(&d, domains))
		if d.roll(3) == 0 {
			dst = null(dst, "phone")
		} else {
			dst = text(dst, "phone", "+49 30 ", strconv.FormatInt(1000000+d.roll(9000000), 10))
		}
	}
	dst = w.address(dst, "address", &d)
	dst = number(dst, "loyalty_points", it.stage*25+d.roll(1000))
	dst = truth(dst, "marketing_opt_in", d.roll(2) == 0)
	dst = append(field(dst, "tags"), '[')
	for i, n := int64(0), d.roll(3); i < n; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendQuote(dst, pick(&d, customerTags))
	}
	dst = truth(append(dst, ']'), "deleted", gone)
	dst = moment(moment(dst, "created_at", it.created), "updated_at", it.updated)
	return append(dst, '}')
}

func (w *world) address(dst []byte, name string, d *dice) []byte {
	place := pick(d, places)
	dst = append(field(dst, name), '{')
	dst = text(dst, "street", pick(d, streets), " ", strconv.FormatInt(1+d.roll(180), 10))
	dst = text(dst, "city", place.city)
	dst = text(dst, "zip", strconv.FormatInt(10000+d.roll(89999), 10))
	dst = text(dst, "country", place.country)
	return append(dst, '}')
}

// price is what a product costs, in cents: the same at all times.
func (w *world) price(product int64) int64 {
	d := w.dice("products", -product)
	return 199 + d.roll(20000)
}

func (w *world) sku(product int64) string {
	return "SKU-" + strconv.FormatInt(100000+product*37, 10)
}

func (w *world) product(dst []byte, it item) []byte {
	d := w.dice("products", it.id)
	dst = number(append(dst, '{'), "id", it.id)
	dst = text(dst, "sku", w.sku(it.id))
	dst = text(dst, "name", pick(&d, qualities), " ", pick(&d, materials), " ", pick(&d, things))
	dst = text(dst, "category", pick(&d, categories))
	dst = hundredths(dst, "price", w.price(it.id))
	dst = text(dst, "currency", "EUR")
	dst = hundredths(dst, "weight_kg", 5+d.roll(3000))
	dst = append(field(dst, "dimensions"), '{')
	for _, side := range [...]string{"length", "width", "height"} {
		dst = number(dst, side, 2+d.roll(120))
	}
	dst = append(dst, '}')
	changing := dice(mix(uint64(d) + uint64(it.stage)))
	dst = number(dst, "stock", changing.roll(500))
	if changing.roll(4) == 0 {
		dst = null(dst, "rating")
	} else {
		dst = hundredths(dst, "rating", 100+changing.roll(401))
	}
	dst = truth(dst, "discontinued", it.id%41 == 0)
	dst = moment(moment(dst, "created_at", it.created), "updated_at", it.updated)
	return append(dst, '}')
}

// orderStates are those of the stages of an order's life.
var orderStates = [...]string{"placed", "paid", "packed", "shipped", "delivered", "closed"}

func (w *world) order(dst []byte, it item, customers, products int64) []byte {
	d := w.dice("orders", it.id)
	state := orderStates[it.stage]
	if it.id%23 == 0 && it.stage >= 2 {
		state = "cancelled"
	}
	dst = number(append(dst, '{'), "id", it.id)
	dst = text(dst, "number", "SO-", strconv.FormatInt(1000000+it.id, 10))
	dst = number(dst, "customer_id", 1+d.roll(max(customers, 1)))
	dst = text(dst, "status", state)
	dst = text(dst, "currency", "EUR")
	dst = append(field(dst, "lines"), '[')
	total := int64(0)
	for i, n := int64(1), 1+d.roll(5); i <= n; i++ {
		product, quantity := 1+d.roll(products), 1+d.roll(4)
		amount := w.price(product) * quantity
		total += amount
		if i > 1 {
			dst = append(dst, ',')
		}
		dst = number(append(dst, '{'), "line", i)
		dst = number(dst, "product_id", product)
		dst = text(dst, "sku", w.sku(product))
		dst = number(dst, "quantity", quantity)
		dst = hundredths(dst, "unit_price", w.price(product))
		dst = append(hundredths(dst, "amount", amount), '}')
	}
	dst = w.address(append(dst, ']'), "shipping_address", &d)
	dst = hundredths(dst, "total", total)
	if d.roll(5) == 0 {
		dst = text(dst, "note", pick(&d, notes))
	} else {
		dst = null(dst, "note")
	}
	if it.stage >= 1 {
		dst = moment(dst, "paid_at", it.created+(it.updated-it.created)/2)
	} else {
		dst = null(dst, "paid_at")
	}
	dst = moment(moment(dst, "created_at", it.created), "updated_at", it.updated)
	return append(dst, '}')
}

// event is about 500 bytes.
func (w *world) event(dst []byte, it item, customers, products int64) []byte {
	d := w.dice("events", it.id)
	kind, product := pick(&d, eventTypes), 1+d.roll(products)
	dst = number(append(dst, '{'), "id", it.id)
	dst = text(dst, "type", kind)
	if d.roll(3) == 0 {
		dst = null(dst, "customer_id")
	} else {
		dst = number(dst, "customer_id", 1+d.roll(max(customers, 1)))
	}
	dst = append(field(dst, "session"), '"')
	dst = strconv.AppendUint(dst, uint64(d)|1<<63, 16)
	dst = append(dst, '"')
	dst = moment(dst, "occurred_at", it.created)
	dst = text(dst, "url", "https://shop.example/", pick(&d, categories), "/", strconv.FormatInt(product, 10), "?ref=", pick(&d, domains))
	if d.roll(2) == 0 {
		dst = null(dst, "referrer")
	} else {
		dst = text(dst, "referrer", "https://", pick(&d, domains), "/search?q=", pick(&d, materials))
	}
	dst = text(dst, "user_agent", pick(&d, agents))
	dst = append(field(dst, "ip"), `"10.`...)
	dst = strconv.AppendInt(append(strconv.AppendInt(dst, d.roll(256), 10), '.'), d.roll(256), 10)
	dst = append(strconv.AppendInt(append(dst, '.'), d.roll(256), 10), '"')
	dst = number(dst, "duration_ms", d.roll(90000))
	dst = hundredths(dst, "value", d.roll(25000))
	dst = truth(dst, "mobile", d.roll(2) == 0)
	dst = append(field(dst, "properties"), '{')
	dst = number(number(dst, "product_id", product), "position", d.roll(50))
	dst = append(text(dst, "experiment", pick(&d, experiments)), '}')
	return append(dst, '}')
}
