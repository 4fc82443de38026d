package githubtest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// installationToken checks the app's JSON Web Token as GitHub does and issues a
// token that lasts an hour.
func (s *Server) installationToken(w http.ResponseWriter, r *http.Request) {
	if err := s.checkJWT(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")); err != nil {
		fail(w, http.StatusUnauthorized, err.Error())
		return
	}
	if r.URL.Path != fmt.Sprintf("/app/installations/%d/access_tokens", s.Install) || r.Method != http.MethodPost {
		fail(w, http.StatusNotFound, "Not Found")
		return
	}
	if s.secondarily(w) {
		return
	}
	token := fmt.Sprintf("ghs_token%d", s.id())
	s.issued, s.expires = append(s.issued, token), s.Clock().Add(time.Hour)
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(Object{"token": token, "expires_at": s.expires.UTC().Format(time.RFC3339), "permissions": Object{"issues": "read"}})
}

func (s *Server) checkJWT(token string) error {
	head, rest, _ := strings.Cut(token, ".")
	claims, signature, _ := strings.Cut(rest, ".")
	decode := base64.RawURLEncoding.DecodeString
	sig, err := decode(signature)
	if err != nil {
		return fmt.Errorf("A JSON web token could not be decoded")
	}
	sum := sha256.Sum256([]byte(head + "." + claims))
	if rsa.VerifyPKCS1v15(s.Key, crypto.SHA256, sum[:], sig) != nil {
		return fmt.Errorf("A JSON web token could not be decoded")
	}
	raw, err := decode(claims)
	if err != nil {
		return err
	}
	var c struct {
		Iat, Exp int64
		Iss      string
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return err
	}
	now := s.Clock().Unix()
	switch {
	case c.Iss != strconv.FormatInt(s.AppID, 10):
		return fmt.Errorf("Integration not found")
	case c.Iat > now:
		return fmt.Errorf("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case c.Exp <= now || c.Exp > now+600:
		return fmt.Errorf("'Expiration time' claim ('exp') is too far in the future")
	}
	return nil
}
