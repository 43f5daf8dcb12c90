// Stand-in for mscoree.dll: pykd asks for the CLR's debugging interface when it is imported and gives up without one.
// The returned object answers E_NOTIMPL to everything, so only pykd's commands about managed code are missing.
#include <windows.h>

static HRESULT WINAPI query_interface(void* self, REFIID iid, void** out) {
    (void)iid;
    *out = self;
    return S_OK;
}
static ULONG WINAPI count_reference(void* self) {
    (void)self;
    return 1;
}
static HRESULT WINAPI not_implemented(void* self) {
    (void)self;
    return E_NOTIMPL;
}

// ICLRMetaHost has 10 methods, the first three of them IUnknown's.
static void* methods[10] = {
    query_interface, count_reference, count_reference, not_implemented, not_implemented,
    not_implemented, not_implemented, not_implemented, not_implemented, not_implemented,
};
static struct {
    void** methods;
} meta_host = {methods};

__declspec(dllexport) HRESULT WINAPI CLRCreateInstance(REFCLSID clsid, REFIID iid, void** out) {
    (void)clsid;
    (void)iid;
    *out = &meta_host;
    return S_OK;
}
