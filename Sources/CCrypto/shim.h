// OpenSSL's libcrypto (already loaded by libcurl): SHA-256, HMAC and MD5.
#pragma once
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
