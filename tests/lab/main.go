// Command lab holds the lab's servers: a real kube-apiserver with its own etcd in one process, and the
// supervisor that takes the other servers down together with the test process that started them.
//
//	lab apiserver [--etcd-dir=DIR] [kube-apiserver flags...]
//	lab run -- COMMAND [ARGUMENTS...]
//	lab sweep DIR
//
// Each of them lives as long as its standard input is open: the tests hold the other end of that pipe, so
// that nothing outlives a test process, not even a crashed one. LAB_DETACHED=1 lifts this for use by hand.
package main

import (
	"fmt"
	"io"
	"os"
)

const usage = `usage: lab apiserver [--etcd-dir=DIR] [kube-apiserver flags...]
       lab run -- COMMAND [ARGUMENTS...]
       lab sweep DIR`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	arguments := os.Args[2:]
	switch os.Args[1] {
	case "apiserver":
		os.Exit(apiserver(arguments))
	case "run":
		os.Exit(run(arguments))
	case "sweep":
		os.Exit(sweep(arguments))
	default:
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
}

// orphaned is closed when the process at the other end of standard input has gone.
func orphaned() <-chan struct{} {
	gone := make(chan struct{})
	if os.Getenv("LAB_DETACHED") != "1" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			close(gone)
		}()
	}
	return gone
}
