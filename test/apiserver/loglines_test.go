package apiserver

import (
	"bytes"
	"strings"
	"sync"
)

// logLines is a log that can be read while it is written.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// count counts the lines with a message.
func (l *logLines) count(message string) int {
	return strings.Count(l.String(), `"msg":"`+message+`"`)
}
