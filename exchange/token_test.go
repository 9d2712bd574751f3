package exchange_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAccessToken(t *testing.T) {
	for value, ok := range map[string]bool{
		`"` + accessToken + `"`: true, `"opaque"`: true, `"a~!@#$%^&*()b"`: true, `"\u0061"`: true,
		``: false, `""`: false, `null`: false, `12345678`: false, `true`: false, `["a"]`: false, `{"a":1}`: false,
		`"secret\ntoken"`: false, `"secret\r\nX-Evil: 1"`: false, `"secret\u0000"`: false, `"secret\u007f"`: false, `"secret t"`: false,
		`" secret"`: false, `"secret "`: false, `"secret\t"`: false, `"secreté"`: false, `"secret\u2028"`: false, "\"secret\xff\"": false,
	} {
		text := `{"token_type":"Bearer","expires_in":3599`
		if value != "" {
			text += `,"access_token":` + value
		}
		token, err := do(t, always(200, "application/json", text+"}"))
		if ok {
			require.NoError(t, err, value)
			var want string
			require.NoError(t, json.Unmarshal([]byte(value), &want))
			assert.Equal(t, want, token.Token)
			continue
		}
		require.ErrorContains(t, err, "access_token", value)
		assert.NotContains(t, err.Error(), "secret")
		assert.NotContains(t, err.Error(), "12345678")
		assert.Zero(t, token)
	}
}

func TestTokenType(t *testing.T) {
	for value, ok := range map[string]bool{
		`"Bearer"`: true, `"bearer"`: true, `"BEARER"`: true, ``: true, `null`: true, `""`: true,
		`"pop"`: false, `"Bearer "`: false, `"mac"`: false, `"Bearer,pop"`: false, `5`: false, `["Bearer"]`: false, `false`: false,
	} {
		text := `{"expires_in":3599,"access_token":"` + accessToken + `"`
		if value != "" {
			text += `,"token_type":` + value
		}
		token, err := do(t, always(200, "application/json", text+"}"))
		if ok {
			require.NoError(t, err, value)
			assert.Equal(t, accessToken, token.Token)
			continue
		}
		require.ErrorContains(t, err, "token_type", value)
		assertNoAccessToken(t, err)
		assert.Zero(t, token)
	}
}

func TestErrorMemberRefusesWhateverTheStatus(t *testing.T) {
	for value, refuses := range map[string]bool{
		`"invalid_client"`: true, `"x"`: true, `{"code":"invalid_client"}`: true, `1`: true, `true`: true, `["x"]`: true,
		`null`: false, `""`: false,
	} {
		text := `{"token_type":"Bearer","expires_in":3599,"access_token":"` + accessToken + `","error":` + value + `}`
		token, err := do(t, always(200, "application/json", text))
		assert.Equal(t, refuses, err != nil, value)
		if refuses {
			assert.Zero(t, token)
			assertNoAccessToken(t, err)
		}
	}
	e := refused(t, always(200, "application/json", `{"error":"invalid_client","error_description":"AADSTS700213: x"}`))
	assert.Equal(t, 200, e.StatusCode)
	assert.Equal(t, "invalid_client", e.Code)
}

// The media type is only used in messages, because a proxy may have dropped it.
func TestContentTypeDoesNotMatter(t *testing.T) {
	for _, contentType := range []string{"", "text/html", "garbage;;;", "application/json; charset=utf-8", "\x00"} {
		token, err := do(t, always(200, contentType, success))
		require.NoError(t, err, contentType)
		assert.Equal(t, accessToken, token.Token)
	}
}

func TestUnknownAndRepeatedMembers(t *testing.T) {
	token, err := do(t, always(200, "application/json",
		`{"expires_in":1,"ext_expires_in":86399,"foo":{"bar":[1]},"access_token":"first",`+
			`"access_token":"`+accessToken+`","expires_in":"3599","token_type":"Bearer"}`))
	require.NoError(t, err)
	assert.Equal(t, accessToken, token.Token)
}

func TestReplyWithAByteOrderMarkIsRead(t *testing.T) {
	token, err := do(t, always(200, "application/json", "\ufeff"+success))
	require.NoError(t, err)
	assert.Equal(t, accessToken, token.Token)
}
