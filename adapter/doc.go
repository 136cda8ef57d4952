// Package adapter translates between what an app offers and what its monitor wants. It gathers the metrics of a Pod's
// containers from addresses on localhost, makes metrics of status pages, serves all of it on one port with a label that says
// where each came from, and answers at /healthz by rules over the values.
//
// One round of gathering asks every source at once and ends within the timeout. Rounds are made for the rules at every
// interval and for whoever asks for /metrics; those who ask together, or shortly after, get one and the same. What is held is
// bounded: bytes of an answer, series, and the points kept for rates.
package adapter
