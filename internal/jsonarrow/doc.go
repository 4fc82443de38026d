// Package jsonarrow turns JSON into Arrow columns without a map or an interface
// value per field.
//
// It has three layers. Scan, Members and Elements validate JSON strictly (RFC
// 8259: UTF-8 only, no trailing commas, at most MaxDepth levels) and hand out
// slices of the input. A Splitter cuts a stream of bytes into records. A Builder
// appends objects to columns, whose types are declared or inferred and widen as
// the data asks for it.
//
// # Types of inferred columns
//
// A field becomes a column with its first value that is not null; columns stand
// in the order in which that happened. Strings stay strings: dates and numbers
// in strings are recognised only where a column is declared so, never guessed.
// Objects and arrays are json columns (their text without blanks). Whole numbers
// are int64, and decimal past its range. Other numbers are decimal, with a scale
// of 2, 6, 12 or 19 and room for every int64, so that a column that holds 3 and
// 3.5 in any order, in one run or in two, ends as the same exact type; those that
// no decimal holds are float64 where that gives the same digits back, and else
// string. Where types meet, sluice.Join says what becomes of the column.
//
// Of members with the same name the last one counts.
package jsonarrow
