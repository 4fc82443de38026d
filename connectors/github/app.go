package github

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

// parseKey reads an RSA key in the PKCS #1 form that GitHub hands out, or PKCS #8.
// Its errors never show any of it.
func parseKey(text string) (*rsa.PrivateKey, error) {
	// Keys often come through forms and environment variables with \n as two
	// characters.
	block, _ := pem.Decode([]byte(strings.ReplaceAll(text, `\n`, "\n")))
	if block == nil {
		return nil, errors.New("it is not PEM text: it must begin with -----BEGIN RSA PRIVATE KEY-----")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if any, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if key, ok := any.(*rsa.PrivateKey); ok {
			return key, nil
		}
	}
	return nil, errors.New("it is not an RSA private key")
}

// auth returns an Auth with the installation's tokens, which last an hour.
func (a *App) auth(baseURL string) rest.Auth {
	return rest.Renewing(func(ctx context.Context, c *rest.Client, known func(...string)) (rest.Token, error) {
		key, err := parseKey(a.PrivateKey)
		if err != nil {
			return rest.Token{}, appError(sluice.Config, "give the private key of the app", err)
		}
		jwt, err := signed(key, a.AppID, c.ServerTime())
		if err != nil {
			return rest.Token{}, appError(sluice.Config, "give the private key of the app", err)
		}
		known(jwt)
		address := fmt.Sprintf("%s/app/installations/%d/access_tokens", strings.TrimRight(baseURL, "/"), a.InstallationID)
		status, body, err := c.Send(ctx, http.MethodPost, address, http.Header{
			"Accept": {"application/vnd.github+json"}, "Authorization": {"Bearer " + jwt},
		}, nil, nil)
		if err != nil {
			return rest.Token{}, err
		}
		return installationToken(status, body)
	})
}

// signed returns the JSON Web Token that proves to be the app. It begins a minute
// in the past, as GitHub advises for clocks that differ, and lasts less than the
// ten minutes allowed.
func signed(key *rsa.PrivateKey, appID int64, now time.Time) (string, error) {
	claims, err := json.Marshal(map[string]any{
		"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(9 * time.Minute).Unix(), "iss": strconv.FormatInt(appID, 10)})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	return text + "." + encode(signature), err
}

func installationToken(status int, body []byte) (rest.Token, error) {
	var answer struct {
		Token   string    `json:"token"`
		Expires time.Time `json:"expires_at"`
		Message string    `json:"message"`
	}
	err := json.Unmarshal(body, &answer)
	switch {
	case status == http.StatusNotFound:
		return rest.Token{}, appError(sluice.Config, "check app_id and installation_id, and that the app is still installed", errors.New("GitHub knows no such installation of the app"))
	case status >= 300:
		return rest.Token{}, appError(sluice.Auth, "check app_id and private_key, and that the clock of this machine is right", fmt.Errorf("GitHub answered %d: %.200s", status, answer.Message))
	case err != nil || answer.Token == "":
		return rest.Token{}, appError(sluice.Config, "check base_url", errors.New("the answer has no token"))
	}
	return rest.Token{Access: answer.Token, Expires: answer.Expires}, nil
}

func appError(class sluice.Class, hint string, err error) error {
	return &sluice.Error{Class: class, Code: "github_app_token", Op: "get a token for the app's installation", Hint: hint, Err: err}
}
