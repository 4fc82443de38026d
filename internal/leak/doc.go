// Package leak holds the proof that secrets stay where they belong: the real
// binary, marked secrets in every secret field of every connector, and a search
// through all that comes out of it. It has tests only.
package leak
