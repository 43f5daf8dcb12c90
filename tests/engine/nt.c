// The paging files of a made-up machine, with Windows' names of types, fields and variables. The offsets are made up:
// nothing may depend on them.
//
// SYSTEM_PARTITION: as since Windows 10; without it, as in Windows 7. TYPES_ONLY: leaves out the variables.

typedef __WCHAR_TYPE__ WCHAR;

typedef struct _UNICODE_STRING {
    unsigned short Length, MaximumLength;
    WCHAR *Buffer;
} UNICODE_STRING;

#ifdef SYSTEM_PARTITION
typedef unsigned PAGES;
#else
typedef unsigned long long PAGES;
#endif

typedef struct _MMPAGING_FILE {
    PAGES Size, MaximumSize, MinimumSize, FreeSpace, PeakUsage;
    void *File;
    UNICODE_STRING PageFileName;
    unsigned short PageFileNumber : 4;
#ifdef SYSTEM_PARTITION
    unsigned short WsSwapPagefile : 1, NoReservations : 1, VirtualStorePagefile : 1;
#endif
} MMPAGING_FILE;

#ifdef SYSTEM_PARTITION
typedef struct _MI_PARTITION {
    char Core[0x140];
    struct _MI_VISIBLE_PARTITION {
        unsigned long long NumberOfPagingFiles;
        MMPAGING_FILE *PagingFile[16];
    } Vp;
} MI_PARTITION;
#endif

#ifndef TYPES_ONLY

#define GB 0x40000  // in pages
#define NAMED(text) .PageFileName = {sizeof text - sizeof(WCHAR), sizeof text, text}

MMPAGING_FILE on_c = {.Size = 16 * GB, .MaximumSize = 48 * GB, NAMED(L"\\??\\C:\\pagefile.sys")};
MMPAGING_FILE on_d = {.Size = 1 * GB, .MaximumSize = 2 * GB, NAMED(L"\\??\\D:\\pagefile.sys"), .PageFileNumber = 1};

#ifdef SYSTEM_PARTITION
MMPAGING_FILE swapfile = {.Size = 100, .MaximumSize = 200, NAMED(L"\\??\\C:\\swapfile.sys"), .WsSwapPagefile = 1};
MMPAGING_FILE compressed_memory = {.Size = 300, .MaximumSize = 300, .VirtualStorePagefile = 1};
MI_PARTITION MiSystemPartition = {.Vp = {4, {&on_c, &swapfile, &compressed_memory, &on_d}}};
#else
MMPAGING_FILE *MmPagingFile[16] = {&on_c, &on_d};
#endif

_Alignas(16) char KdDebuggerDataBlock[0x400] = "the debugger data block goes here";

int KiSystemStartup(void) { return 0; }

#endif
