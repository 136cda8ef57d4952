package settle

import (
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestConfigSaysWhatIsWrong(t *testing.T) {
	config := NewFactory().CreateDefaultConfig().(*Config)
	if err := config.Validate(); err != nil {
		t.Error(err)
	}
	config.After = 0
	if err := config.Validate(); err == nil || err.Error() != "after: 0s is no time to wait" {
		t.Errorf("the error is %v", err)
	}
}

func TestTheExtensionSettlesAfterTheStart(t *testing.T) {
	core, said := observer.New(zap.InfoLevel)
	set := extension.Settings{ID: component.NewID(NewFactory().Type()), TelemetrySettings: component.TelemetrySettings{Logger: zap.New(core)}}
	e, err := NewFactory().Create(t.Context(), set, &Config{After: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); said.FilterMessage("settled").Len() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it said %v", said.All())
		}
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
