// libfuse3's low-level API as Swift can see it.
#pragma once
#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>
