// Package drain is an extension of the OpenTelemetry Collector for a Pod's end. By then the app has exited and nobody writes
// any more, but the collector would stop at once: lines that its next look at the files would have found, and what waits in
// a sending queue on the Pod's own volume, would go with the Pod. So before the pipelines stop, drain waits until the files
// are read and the queue is empty.
package drain

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/extensioncapabilities"
	"go.uber.org/zap"
)

// look is the time between two looks at the counts.
const look = 100 * time.Millisecond

// Drain holds the collector's end up. It knows the pipelines by the collector's own metrics alone.
type Drain struct {
	component.StartFunc
	component.ShutdownFunc

	config *Config
	log    *zap.Logger
	client *http.Client
}

var _ extensioncapabilities.PipelineWatcher = (*Drain)(nil)

func newDrain(config *Config, log *zap.Logger) *Drain {
	return &Drain{config: config, log: log, client: &http.Client{Timeout: time.Second}}
}

// Ready is called when the pipelines run: nothing to do.
func (d *Drain) Ready() error { return nil }

// NotReady is called when the collector was told to stop, before its receivers are. It returns once the files are read and
// all is sent.
//
// An app that goes on writing, as when this container alone is restarted, is waited for until the timeout. What the endpoint
// does not take is waited for without an end: whoever stops the collector kills it when its patience is over, and then
// checkpoint and queue are on disk as they should be.
func (d *Drain) NotReady() error {
	began := time.Now()
	var p progress
	for unread := 0; unread < 10; {
		seen, err := d.counts(context.Background())
		if err != nil {
			unread++
			d.log.Warn("the collector's own metrics cannot be read", zap.Error(err))
		} else {
			unread = 0
			if p.add(seen, time.Now()); p.done(time.Now(), began, d.config) {
				d.log.Info("drained", zap.Duration("took", time.Since(began)), zap.Float64("queued", seen.queued))
				return nil
			}
		}
		time.Sleep(look)
	}
	d.log.Error("stopping without knowing whether all was sent")
	return nil
}
