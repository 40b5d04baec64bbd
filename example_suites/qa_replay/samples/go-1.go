package main

import (
	"fmt"
	"os"
)

// main greets whoever is named.
func main() {
	for _, name := range os.Args[1:] {
		fmt.Println(greeting(name))
	}
}

func greeting(name string) string {
	return "hello, " + name + " {not a block"
}
