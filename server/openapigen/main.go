// Command openapigen writes the OpenAPI document of the API to a file.
package main

import (
	"fmt"
	"os"

	"github.com/sluicehq/sluice/server"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: openapigen FILE")
		os.Exit(2)
	}
	text, err := server.Document("1")
	if err == nil {
		err = os.WriteFile(os.Args[1], text, 0o644) //nolint:gosec // a public document
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "openapigen:", err)
		os.Exit(1)
	}
}
