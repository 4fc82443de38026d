// Package chaos holds the kill tests between real systems: real child processes
// of the real binary, killed by SIGKILL at random moments, while the source is
// being written to. It has tests only.
package chaos
