package redirect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/node/namespace"
)

// Found is the table as the kernel has it.
type Found struct {
	// Hash is that of the Table it was made of.
	Hash string `json:"hash"`
	// Rules in the order of their chains.
	Rules []FoundRule `json:"rules"`
	// Foreign are the chains of others that may redirect too: TABLE/CHAIN.
	Foreign []string `json:"foreign,omitempty"`
}

// FoundRule is a rule and what it has matched so far: of a connection its first packet.
type FoundRule struct {
	Chain   string `json:"chain"`
	Name    string `json:"name"`
	To      uint16 `json:"to,omitempty"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Read gives the table of a network namespace, nil where there is none.
func Read(n *namespace.Net) (found *Found, err error) {
	err = new(Loader).within(n, nil, func(conn *nftables.Conn) (err error) {
		found, err = read(conn)
		return err
	})
	return found, err
}

func read(conn *nftables.Conn) (*Found, error) {
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, fmt.Errorf("nftables: read: %w", err)
	}
	var found *Found
	var foreign []string
	for _, c := range chains {
		if c.Table.Name != TableName {
			if c.Type == nftables.ChainTypeNAT {
				foreign = append(foreign, c.Table.Name+"/"+c.Name)
			}
			continue
		}
		if found == nil {
			found = &Found{}
		}
		if c.Name != string(inbound) && c.Name != string(outbound) {
			foreign = append(foreign, c.Table.Name+"/"+c.Name)
			continue
		}
		if err := found.addChain(conn, c); err != nil {
			return nil, err
		}
	}
	if found != nil {
		found.Foreign = foreign
	}
	return found, nil
}

func (f *Found) addChain(conn *nftables.Conn, c *nftables.Chain) error {
	rules, err := conn.GetRules(c.Table, c)
	if errors.Is(err, unix.ENOENT) {
		return nil // it has just been replaced
	}
	if err != nil {
		return fmt.Errorf("nftables: read chain %s: %w", c.Name, err)
	}
	for _, r := range rules {
		one := FoundRule{Chain: c.Name}
		comment, _ := userdata.GetString(r.UserData, userdata.TypeComment)
		name, hash, marked := strings.Cut(comment, hashMark)
		if one.Name = name; marked {
			f.Hash = hash
		}
		var port uint16
		for _, e := range r.Exprs {
			switch e := e.(type) {
			case *expr.Counter:
				one.Packets, one.Bytes = e.Packets, e.Bytes
			case *expr.Immediate:
				if len(e.Data) == 2 {
					port = binary.BigEndian.Uint16(e.Data)
				}
			case *expr.Redir:
				one.To = port
			}
		}
		f.Rules = append(f.Rules, one)
	}
	return nil
}
