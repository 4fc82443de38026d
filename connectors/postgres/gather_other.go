//go:build !linux

package postgres

// lowWaterMarks is false where polling takes no notice of a socket's low-water
// mark.
const lowWaterMarks = false

func setLowWater(uintptr, int) {}

func readNow(uintptr, []byte) int { return 0 }
