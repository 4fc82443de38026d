package sluice

// Join returns the narrowest type that holds every value of a and of b. It is
// commutative, associative and idempotent, and never narrows; the zero Type is
// its identity. The rules are those of the types section of docs/types.md.
//
// A join of an integer or decimal with a float is String, not Float64, where a
// float could not hold the digits: exact values stay exact (invariant 5).
func Join(a, b Type) Type {
	if a == b || b.Kind == 0 {
		return a
	}
	if a.Kind == 0 {
		return b
	}
	if a.Kind > b.Kind {
		a, b = b, a
	}
	switch {
	case b.Kind <= Int64 && a.Kind >= Int16:
		return b
	case b.Kind == Decimal && a.Kind >= Int16 && a.Kind <= Int64:
		return joinDecimal(integerAsDecimal(a.Kind), b)
	case a.Kind == Decimal && b.Kind == Decimal:
		return joinDecimal(a, b)
	case b.Kind == Float64 && (a.Kind == Float32 || a.Kind == Int16 || a.Kind == Int32):
		return b
	case b.Kind == Float32 && (a.Kind == Int16 || a.Kind == Int32):
		return T(Float64)
	case a.Kind == Date && b.Kind == Timestamp:
		return b
	}
	return T(String)
}

// integerAsDecimal returns the decimal that holds every integer of kind k.
func integerAsDecimal(k Kind) Type {
	return DecimalType(map[Kind]int32{Int16: 5, Int32: 10, Int64: 19}[k], 0)
}

func joinDecimal(a, b Type) Type {
	scale := max(a.Scale, b.Scale)
	digits := max(a.Precision-a.Scale, b.Precision-b.Scale)
	if digits+scale > MaxPrecision {
		return T(String)
	}
	return DecimalType(digits+scale, scale)
}

// Widens reports whether a column of type from may be changed in place to hold
// to as well: Join(from, to) == to.
func Widens(from, to Type) bool { return Join(from, to) == to }
