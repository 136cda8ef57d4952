// Package gate is what an init container of a redirected Pod runs, without any privilege: it ends well once the Pod's traffic
// is redirected, and not before, so that nothing of the Pod starts in between.
package gate

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"
)

// The ports, as in package redirect: what is dialled on the loopback gets to the gate if and only if the table is in place.
const (
	Port   = 15099
	Canary = 15098
)

// Times of the gate.
const (
	between = 200 * time.Millisecond
	talking = time.Second
)

// ErrShut says that the Pod's traffic is not redirected.
var ErrShut = errors.New("the Pod's traffic is not redirected: does the node run pillion-node, and can it do this? See the events of the Pod")

// Wait returns when a connection to the canary reaches the gate, over IPv4 and, where the Pod has it, IPv6; or, when the
// context ends, with ErrShut and what was tried last.
func Wait(ctx context.Context, log *slog.Logger) error {
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	word := hex.EncodeToString(nonce) + "\n"
	families := 0
	for _, loopback := range []string{"127.0.0.1", "::1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(Port)))
		if err != nil {
			log.Info("not listened on", "address", loopback, "error", err)
			continue
		}
		families++
		go answer(l, word)
		err = passes(ctx, net.JoinHostPort(loopback, strconv.Itoa(Canary)), word)
		_ = l.Close()
		if err != nil {
			return err
		}
		log.Info("redirected", "loopback", loopback)
	}
	if families == 0 {
		return fmt.Errorf("%w: the gate can listen on no loopback", ErrShut)
	}
	return nil
}

// answer says the word to whoever connects.
func answer(l net.Listener, word string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(talking))
		_, _ = io.WriteString(c, word)
		_ = c.Close()
	}
}

// passes returns when a connection to an address hears the word.
func passes(ctx context.Context, address, word string) error {
	for {
		err := hears(ctx, address, word)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", ErrShut, err)
		case <-time.After(between):
		}
	}
}

func hears(ctx context.Context, address, word string) error {
	dialer := net.Dialer{Timeout: talking}
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(talking))
	got := make([]byte, len(word))
	if _, err := io.ReadFull(c, got); err != nil {
		return fmt.Errorf("%s: somebody else answers: %w", address, err)
	}
	if subtle.ConstantTimeCompare(got, []byte(word)) == 0 {
		return fmt.Errorf("%s: somebody else answers", address)
	}
	return nil
}
