package certs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/doctor"
	"github.com/pillion-dev/pillion/live"
)

// doctorSaysWhy has doctor look at the stage: its finding about a Certificate names the cause that lies behind it.
func (s *stage) doctorSaysWhy(certificate, cause, command string) {
	s.t.Helper()
	server, err := live.Open(plane.control.Kubeconfig(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	await(s.t, "doctor says why", func() error {
		snapshot, err := server.Snapshot(s.t.Context(), doctor.Kinds(), s.name, time.Minute)
		if err != nil {
			return err
		}
		snapshot.Now = time.Now()
		report := doctor.Examine(snapshot)
		if !slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool {
			return f.Code == "D321" && f.Object == "certificate/"+certificate+" -n "+s.name && strings.Contains(f.Message, cause) && slices.Equal(f.Fix.Commands, []string{command})
		}) {
			return fmt.Errorf("%+v", report.Findings)
		}
		return nil
	})
}
