// Package servers starts the real servers that tests run against, one process
// per server on loopback, and does to them what operators and outages do:
// stop, kill, freeze, restart on the same port.
//
// A missing binary is an error, never a reason to skip. Every server is ended
// by its Stop or Kill; where the system allows it also by the death of the
// process that started it.
package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// stopPatience is how long a server may take to obey SIGTERM before it is
// killed: a Kafka broker with work in hand needs several seconds.
const stopPatience = 15 * time.Second

// Command says which program to run and when it counts as started.
type Command struct {
	Path string   // the program, looked up in PATH
	Args []string // without the program's name
	Dir  string   // working directory
	Env  []string // added to the environment of this process
	Log  string   // file that standard output and error are appended to

	// Ready is asked again and again until it gives nil; its last error is
	// told when the server never gets ready.
	Ready func(context.Context) error
}

// Process is a running server. Its methods may be called from any goroutine.
type Process struct {
	command Command
	cmd     *exec.Cmd
	logged  int64 // length of the log before the start
	exited  chan struct{}
	exit    error // of Wait; valid once exited is closed
}

// Start runs the command and waits until it is ready, until it exits or until
// ctx ends. After an error nothing of it runs any more; the error carries the
// end of the log.
func Start(ctx context.Context, command Command) (*Process, error) {
	log, err := os.OpenFile(command.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own descriptor
	before, err := log.Stat()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(command.Path, command.Args...)
	cmd.Dir, cmd.Env = command.Dir, append(os.Environ(), command.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	p := &Process{command: command, cmd: cmd, logged: before.Size(), exited: make(chan struct{})}
	go p.reap()
	if err := p.waitReady(ctx); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%s did not get ready: %w\n%s", command.Path, err, p.LogTail())
	}
	return p, nil
}

// reap ends with the process, so Stop and Kill, which wait for it, own it.
func (p *Process) reap() {
	p.exit = p.cmd.Wait()
	close(p.exited)
}

func (p *Process) waitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("never asked")
	for {
		select {
		case <-p.exited:
			return errors.Join(errors.New("it exited"), p.exit, p.portTaken())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		case <-tick.C:
			if last = p.command.Ready(ctx); last == nil {
				return p.stillRuns()
			}
			if err := p.portTaken(); err != nil {
				return err // it may take a minute to see this itself
			}
		}
	}
}

// portTaken is errPortTaken when the log of this start says so.
func (p *Process) portTaken() error {
	text, err := os.ReadFile(p.command.Log)
	if err == nil && int64(len(text)) > p.logged && saysPortTaken(text[p.logged:]) {
		return errPortTaken
	}
	return nil
}

// stillRuns is an error when the process has ended: then somebody else was
// ready, on a port that he took first.
func (p *Process) stillRuns() error {
	select {
	case <-p.exited:
		return errors.Join(errors.New("it exited"), p.exit, p.portTaken())
	default:
		return nil
	}
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended, for whatever reason.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop asks the process to end (SIGTERM), waits for it, and kills it when it
// does not obey. Stopping an ended process does nothing.
func (p *Process) Stop() {
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopPatience):
		p.Kill()
	}
}

// Kill ends the process at once (SIGKILL) and waits until it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// Pause freezes the process (SIGSTOP): its sockets stay open and silent.
func (p *Process) Pause() { p.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s) // an ended process needs no signal
}

// LogTail is the last lines of the log, for failure messages.
func (p *Process) LogTail() string {
	const lines = 25
	text, err := os.ReadFile(p.command.Log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
