/* libnvidia-ml.so.1, as far as confidential computing goes: answers from a folder.
 *
 * The folder is $OPENPCC_NVML:
 *     settings            four numbers: environment, CC feature, developers' tools, multi-GPU mode
 *     ready               what was set last, 0 or 1
 *     gpu0/uuid           text                      gpu0/chain.pem   its certificates
 *     gpu0/energy         a number                  gpu0/report.bin  what it answers, or
 *     signer              a unix socket: takes the number of the GPU (one byte) and the nonce (32),
 *                         gives the report until the end of the stream
 *     fail/FUNCTION       a number that the function returns instead of answering
 *
 * Structures and numbers are those of NVML's API reference; nothing here knows what a report is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_FOUND = 6, GPU_IS_LOST = 15, MAX_GPUS = 64 };

typedef struct {
    unsigned version, environment, feature, tools, multi_gpu;
} settings_t;

typedef struct {
    unsigned chain_size, attestation_chain_size;
    unsigned char chain[0x1000], attestation_chain[0x1400];
} certificate_t;

typedef struct {
    unsigned has_cec, report_size, cec_size;
    unsigned char nonce[32], report[0x2000], cec[0x1000];
} report_t;

static char handles[MAX_GPUS];

static void path_of(char *path, size_t size, const char *name) {
    const char *folder = getenv("OPENPCC_NVML");
    snprintf(path, size, "%s/%s", folder ? folder : ".", name);
}

/* Reads a file of the folder; gives its size, or -1. */
static long get(const char *name, void *into, size_t size) {
    char path[4096];
    path_of(path, sizeof path, name);
    FILE *file = fopen(path, "rb");
    if (!file) return -1;
    size_t found = fread(into, 1, size, file);
    fclose(file);
    return (long)found;
}

static long get_of(int gpu, const char *name, void *into, size_t size) {
    char whole[64];
    snprintf(whole, sizeof whole, "gpu%d/%s", gpu, name);
    return get(whole, into, size);
}

static long number(const char *text) { return strtol(text, NULL, 10); }

static int failing(const char *function) {
    char name[128], text[16] = "";
    snprintf(name, sizeof name, "fail/%s", function);
    return get(name, text, sizeof text - 1) < 0 ? SUCCESS : (int)number(text);
}

#define MAY_FAIL do { int error = failing(__func__); if (error) return error; } while (0)

static int index_of(void *device) { return (int)((char *)device - handles); }

static long ask_signer(int gpu, const unsigned char *nonce, unsigned char *into, size_t size) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned char question[33] = {(unsigned char)gpu};
    path_of(address.sun_path, sizeof address.sun_path, "signer");
    memcpy(question + 1, nonce, 32);
    int signer = socket(AF_UNIX, SOCK_STREAM, 0);
    long found = -1;
    if (!connect(signer, (struct sockaddr *)&address, sizeof address) &&
        write(signer, question, sizeof question) == sizeof question) {
        long more;
        for (found = 0; (more = read(signer, into + found, size - (size_t)found)) > 0;) found += more;
    }
    close(signer);
    return found;
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; MAY_FAIL; return SUCCESS; }

int nvmlShutdown(void) { MAY_FAIL; return SUCCESS; }

const char *nvmlErrorString(int error) { (void)error; return "an error of the stand-in's"; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    char text[128];
    MAY_FAIL;
    for (*count = 0; *count < MAX_GPUS; ++*count)
        if (get_of((int)*count, "uuid", text, sizeof text) < 0) break;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    MAY_FAIL;
    if (index >= MAX_GPUS) return INVALID_ARGUMENT;
    *device = handles + index;
    return SUCCESS;
}

int nvmlDeviceGetUUID(void *device, char *uuid, unsigned size) {
    MAY_FAIL;
    memset(uuid, 0, size);
    return get_of(index_of(device), "uuid", uuid, size - 1) < 0 ? GPU_IS_LOST : SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *energy) {
    char text[32] = "";
    MAY_FAIL;
    if (get_of(index_of(device), "energy", text, sizeof text - 1) < 0) return GPU_IS_LOST;
    *energy = strtoull(text, NULL, 10);
    return SUCCESS;
}

int nvmlSystemGetConfComputeSettings(settings_t *settings) {
    char text[64] = "";
    MAY_FAIL;
    if (settings->version != (sizeof *settings | 1 << 24)) return INVALID_ARGUMENT;
    if (get("settings", text, sizeof text - 1) < 0) return NOT_FOUND;
    int read = sscanf(text, "%u %u %u %u", &settings->environment, &settings->feature,
                      &settings->tools, &settings->multi_gpu);
    return read == 4 ? SUCCESS : INVALID_ARGUMENT;
}

int nvmlSystemGetConfComputeGpusReadyState(unsigned *state) {
    char text[16] = "0";
    MAY_FAIL;
    get("ready", text, sizeof text - 1);
    *state = (unsigned)number(text);
    return SUCCESS;
}

int nvmlSystemSetConfComputeGpusReadyState(unsigned state) {
    char path[4096];
    MAY_FAIL;
    path_of(path, sizeof path, "ready");
    FILE *file = fopen(path, "w");
    if (!file) return NOT_FOUND;
    fprintf(file, "%u\n", state);
    fclose(file);
    return SUCCESS;
}

int nvmlDeviceGetConfComputeGpuCertificate(void *device, certificate_t *answer) {
    MAY_FAIL;
    memset(answer, 0, sizeof *answer);
    long size = get_of(index_of(device), "chain.pem", answer->attestation_chain,
                       sizeof answer->attestation_chain);
    answer->attestation_chain_size = size < 0 ? 0 : (unsigned)size;
    return size < 0 ? NOT_FOUND : SUCCESS;
}

int nvmlDeviceGetConfComputeGpuAttestationReport(void *device, report_t *answer) {
    MAY_FAIL;
    long size = get_of(index_of(device), "report.bin", answer->report, sizeof answer->report);
    if (size < 0)
        size = ask_signer(index_of(device), answer->nonce, answer->report, sizeof answer->report);
    answer->report_size = size < 0 ? 0 : (unsigned)size;
    return size < 0 ? GPU_IS_LOST : SUCCESS;
}
