package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// run starts a command in a process group of its own and kills the whole group when it is no longer wanted.
func run(arguments []string) int {
	if len(arguments) > 0 && arguments[0] == "--" {
		arguments = arguments[1:]
	}
	if len(arguments) == 0 {
		fmt.Fprintln(os.Stderr, usage)
		return 2
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)

	command := exec.Command(arguments[0], arguments[1:]...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "lab run:", err)
		return 127
	}
	finished := make(chan error, 1)
	go func() { finished <- command.Wait() }()

	// The servers keep nothing worth saving, hence no gentle signal first.
	killGroup := func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	select {
	case err := <-finished:
		// A master that died must not leave its workers behind.
		killGroup()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		return 0
	case <-orphaned():
	case <-signals:
	}
	killGroup()
	<-finished
	return 0
}

// sweep removes a directory once the test process has gone: it outlives every other server of that process,
// and it ignores signals because Ctrl-C reaches it at the same time as them.
func sweep(arguments []string) int {
	if len(arguments) != 1 {
		fmt.Fprintln(os.Stderr, usage)
		return 2
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	<-orphaned()
	// Servers that are just being killed may still write; a directory that stays empty is what counts.
	for range 50 {
		_ = os.RemoveAll(arguments[0])
		time.Sleep(100 * time.Millisecond)
		if _, err := os.Stat(arguments[0]); errors.Is(err, os.ErrNotExist) {
			return 0
		}
	}
	return 1
}
