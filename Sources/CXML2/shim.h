// libxml2's push (SAX2) parser as Swift can see it.
#pragma once
#include <libxml/xmlversion.h>
// Debian's libxml2 is built with ICU, whose headers clash with those in Swift's Foundation. Only a structure for converters,
// never touched here, is declared differently without them.
#undef LIBXML_ICU_ENABLED
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <string.h>

// A handler table that knows SAX2 and swallows messages: the variadic error callbacks cannot be written in Swift, and
// libxml2's own print to standard error.
static inline void pail_xml_swallow(void *context, const char *message, ...) {
    (void)context;
    (void)message;
}

static inline void pail_xml_prepare(xmlSAXHandler *handler) {
    memset(handler, 0, sizeof *handler);
    handler->initialized = XML_SAX2_MAGIC;
    handler->warning = pail_xml_swallow;
    handler->error = pail_xml_swallow;
    handler->fatalError = pail_xml_swallow;
}
