package doctor

import "slices"

// Check: all that the other checks look at can be read.
func readable() Check {
	return Check{
		Name: "readable", Group: groupAccess, Title: "all that is looked at can be read",
		Codes: []Code{
			{"D001", Warning, "A kind of object cannot be read, so some checks are not run.", "What is not looked at may be broken."},
			{"D002", Error, "The webhook configurations cannot be read.", "Without them it cannot be told whether Pillion is installed at all."},
		},
		look: func(s *Snapshot, f *findings) {
			for _, k := range Kinds() {
				u := s.Unread[k]
				if u == nil {
					continue
				}
				code, fix := "D001", todo("see that the API server answers, and ask again")
				if k == MutatingWebhooks {
					code = "D002"
				}
				if u.Forbidden() {
					fix = do("have the right granted, or ask somebody who has it", u.canI(k))
				}
				f.add(code, "", u.why(k)+"; not run for this: "+names(needing(k)), fix)
			}
		},
	}
}

// needing lists the checks that need a kind.
func needing(k Kind) []string {
	var out []string
	for _, c := range Checks() {
		if slices.Contains(c.needs, k) {
			out = append(out, c.Name)
		}
	}
	return out
}
