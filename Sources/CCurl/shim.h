// libcurl as Swift can see it: the variadic calls need one typed wrapper each.
#pragma once
#include <curl/curl.h>
