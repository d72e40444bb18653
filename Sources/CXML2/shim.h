// libxml2's push (SAX2) parser as Swift can see it.
#pragma once
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
