package configfile

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// checkForm holds a text against the form that a field's tag names.
func checkForm(form, text string) error {
	switch form {
	case "":
		return nil
	case "name":
		return checkName(text)
	case "appid":
		return checkPattern(text, appIDForm, "1 to 64 of the characters A-Z, a-z, 0-9, dot, - and _")
	case "listen":
		return checkAddress(text, 0)
	case "hostport":
		return checkHostPort(text)
	case "url":
		return checkURL(text)
	case "urls":
		return checkURLs(text)
	case "endpoint":
		return checkEndpoint(text)
	case "origin":
		return checkOrigin(text)
	case "method":
		return checkMethod(text)
	case "header":
		return checkPattern(text, tokenForm, "a header name")
	case "route":
		return checkRoute(text)
	default:
		return fmt.Errorf("form %q is not known", form)
	}
}

var (
	nameForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	appIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	hostForm  = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?$`)
	tokenForm = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
)

func checkPattern(text string, pattern *regexp.Regexp, wanted string) error {
	if !pattern.MatchString(text) {
		return errors.New("needs " + wanted)
	}
	return nil
}

func checkName(text string) error {
	return checkPattern(text, nameForm, "1 to 63 of the characters a-z, 0-9 and -, beginning and ending with a letter or digit")
}

// checkAddress wants host:port with a port of at least lowest; an empty host
// is every interface.
func checkAddress(text string, lowest uint64) error {
	hostText, portText, err := net.SplitHostPort(text)
	if err != nil {
		return errors.New("needs host:port")
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port < lowest {
		return fmt.Errorf("needs a port from %d to 65535", lowest)
	}
	if hostText != "" && !isHost(hostText) {
		return errors.New("needs a host name or an IP address before the port")
	}
	return nil
}

func checkHostPort(text string) error {
	if strings.HasPrefix(text, ":") {
		return errors.New("needs host:port; the host is missing")
	}
	return checkAddress(text, 1)
}

func isHost(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil || hostForm.MatchString(text)
}

// checkURL wants an http or https URL of a server, perhaps with a base path.
func checkURL(text string) error {
	parsed, err := url.Parse(text)
	switch {
	case err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https":
		return errors.New("needs a URL like http://host:port")
	case parsed.User != nil:
		return errors.New("must not hold a user or password")
	case parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "":
		return errors.New("must not hold a query or a fragment")
	}
	return checkURLHost(parsed)
}

func checkURLs(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		if err := checkURL(one); err != nil {
			return err
		}
	}
	return nil
}

// checkEndpoint wants no path: a request's own path is what the service sees.
func checkEndpoint(text string) error {
	if err := checkURL(text); err != nil {
		return err
	}
	if parsed, err := url.Parse(text); err != nil || strings.Trim(parsed.Path, "/") != "" {
		return errors.New("must be scheme, host and port only")
	}
	return nil
}

func checkURLHost(parsed *url.URL) error {
	if port := parsed.Port(); port != "" || strings.HasSuffix(parsed.Host, ":") {
		return checkHostPort(net.JoinHostPort(parsed.Hostname(), port))
	}
	if !isHost(parsed.Hostname()) {
		return errors.New("needs a host name or an IP address")
	}
	return nil
}

func checkOrigin(text string) error {
	if err := checkURL(text); err != nil {
		return errors.New("needs an origin like https://app.example")
	}
	if strings.Count(text, "/") != 2 || strings.ToLower(text) != text {
		return errors.New("needs scheme, host and port only, in lower case, like https://app.example")
	}
	return nil
}

func checkMethod(text string) error {
	if text == "CONNECT" || text == "TRACE" {
		return errors.New("never passes through the gateway")
	}
	if !tokenForm.MatchString(text) || strings.ToUpper(text) != text {
		return errors.New("needs a method in upper case, like PROPFIND")
	}
	return nil
}

func checkRoute(text string) error {
	if !strings.HasPrefix(text, "/") {
		return errors.New("needs a pattern that begins with a slash, like /v1/invoke/**")
	}
	return nil
}
