// Tintype stores pictures for clients of two older services, dfsapi and QStorage.
package main

import (
	"context"
	"os"

	"tintype/server/command"
)

func main() {
	os.Exit(command.Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
