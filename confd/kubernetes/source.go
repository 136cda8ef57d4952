package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	pageSize    = 500              // objects in one answer to a list
	listTimeout = 30 * time.Second // for one page
	// watchTime is after how long at least the API server ends a watch, at most twice that, so that not all Pods begin anew
	// at once. A watch that lasts longer by watchGrace is dead.
	watchTime  = 5 * time.Minute
	watchGrace = 30 * time.Second
	// shortest is how long a watch lasts at least: one that ends sooner without a word, again and again, is a fault.
	shortest = time.Second
	// pause is between a watch that fell behind and the list that makes up for it.
	pause = 200 * time.Millisecond
)

// source lists and watches some objects of one resource.
type source struct {
	client         *http.Client
	url, resource  string
	fields, labels string // selectors
	store          *store
}

// follow ends with the context, without an error, or with what the API server refuses.
func (s *source) follow(ctx context.Context) error {
	for {
		revision, err := s.list(ctx)
		for err == nil {
			revision, err = s.watch(ctx, revision)
		}
		var refused *status
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &refused) && refused.Code == http.StatusForbidden:
			return fmt.Errorf("the ServiceAccount may not list and watch %s: %w", s.resource, err)
		case !errors.As(err, &refused) || refused.Code != http.StatusGone:
			return fmt.Errorf("the API server: %w", err)
		}
		// The API server no longer knows the changes since the revision, or the rest of a list.
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// list takes up all there is, and gives its revision.
func (s *source) list(ctx context.Context) (revision string, err error) {
	var all []object
	for more := ""; ; {
		query := url.Values{"limit": {strconv.Itoa(pageSize)}}
		if more != "" {
			query.Set("continue", more)
		}
		page, err := s.page(ctx, query)
		if err != nil {
			return "", err
		}
		all = append(all, page.Items...)
		if more = page.Metadata.Continue; more == "" {
			s.store.replace(all)
			return page.Metadata.ResourceVersion, nil
		}
	}
}

func (s *source) page(ctx context.Context, query url.Values) (*objectList, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	body, err := s.get(ctx, query)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	page := &objectList{}
	return page, json.NewDecoder(body).Decode(page)
}

// watch takes up what changes after a revision, until the API server ends it, and gives the last revision.
func (s *source) watch(ctx context.Context, revision string) (string, error) {
	lasts := watchTime + rand.N(watchTime)
	ctx, cancel := context.WithTimeout(ctx, lasts+watchGrace)
	defer cancel()
	body, err := s.get(ctx, url.Values{
		"watch": {"true"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {revision},
		"timeoutSeconds": {strconv.Itoa(int(lasts.Seconds()))},
	})
	if err != nil {
		return "", err
	}
	defer body.Close()
	began, events := time.Now(), 0
	for dec := json.NewDecoder(body); ; events++ {
		var e event
		err := dec.Decode(&e)
		switch {
		case errors.Is(err, io.EOF) && events == 0 && time.Since(began) < shortest:
			return "", errors.New("it ended a watch at once")
		case errors.Is(err, io.EOF):
			return revision, nil
		case err != nil:
			return "", err
		}
		if err := s.store.take(&e); err != nil {
			return "", err
		}
		revision = e.Object.Metadata.ResourceVersion
	}
}

// get asks for the objects; an answer that is not 200 is an error, a *status.
func (s *source) get(ctx context.Context, query url.Values) (io.ReadCloser, error) {
	if s.fields != "" {
		query.Set("fieldSelector", s.fields)
	}
	if s.labels != "" {
		query.Set("labelSelector", s.labels)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := s.client.Do(req)
	var failed *url.Error
	switch {
	case errors.As(err, &failed):
		return nil, failed.Err // without the URL, which is long and says nothing
	case err != nil:
		return nil, err
	case res.StatusCode != http.StatusOK:
		defer res.Body.Close()
		return nil, readStatus(res)
	}
	return res.Body, nil
}
