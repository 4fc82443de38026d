package postgres

import "syscall"

// lowWaterMarks says that a reader is woken only when there is as much to read
// as setLowWater says.
const lowWaterMarks = true

func setLowWater(fd uintptr, n int) {
	_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, n) // best effort: readers then wake sooner
}

// readNow reads from a socket that does not block; 0: nothing, or an error.
func readNow(fd uintptr, p []byte) int {
	n, err := syscall.Read(int(fd), p)
	if err != nil {
		return 0
	}
	return n
}
