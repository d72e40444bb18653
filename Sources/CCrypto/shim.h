// OpenSSL's libcrypto (already loaded by libcurl): SHA-256, HMAC and MD5; and CRC32C, which it does not have.
#pragma once
#include "crc32c.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
