package control

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sluicehq/sluice/keyring"
	"github.com/sluicehq/sluice/store"
)

// saltKey names the setting of which the salts of connections are made.
const saltKey = "hash_salt"

// Salt returns the salt of a connection's hashed columns. It is the same for as
// long as the installation keeps its encryption key, and differs between
// connections, so that their hashes cannot be matched.
func (c *Control) Salt(ctx context.Context, connectionID string) ([]byte, error) {
	root, err := c.rootSalt(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the salt of hashed columns: %w", err)
	}
	mac := hmac.New(sha256.New, root)
	mac.Write([]byte(connectionID))
	return mac.Sum(nil), nil
}

func (c *Control) rootSalt(ctx context.Context) ([]byte, error) {
	place := keyring.Bind("setting", saltKey)
	for {
		kept, err := c.store.Setting(ctx, saltKey)
		if err == nil {
			var sealed string
			if err := json.Unmarshal(kept.Value, &sealed); err != nil {
				return nil, fmt.Errorf("read the setting: %w", err)
			}
			root, err := c.o.Keys.Open(sealed, place)
			if errors.Is(err, keyring.ErrReplaced) {
				return nil, keyTrouble(err)
			} else if err != nil {
				return nil, fail(CodeSecretUnreadable, "", "start Sluice with the encryption key that was used so far", "%w", err)
			}
			return []byte(root), nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		sealed, err := c.o.Keys.Seal(rand.Text()+rand.Text(), place)
		if err != nil {
			return nil, keyTrouble(err)
		}
		err = c.store.SetSetting(ctx, &store.Setting{Key: saltKey, Value: encode(sealed)})
		if err != nil && !errors.Is(err, store.ErrConflict) { // of several processes one makes it
			return nil, err
		}
	}
}
