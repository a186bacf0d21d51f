/* Stands in for llama-server.exe: it prints what the real one does when it is asked for its help and its devices. */

#include <stdio.h>
#include <string.h>

int main(int count, char **words)
{
    if (count > 1 && strcmp(words[1], "--help") == 0)
        puts("----- common params -----\n"
             "-h,    --help, --usage                  print usage and exit\n"
             "-ngl,  --gpu-layers, --n-gpu-layers N   max. number of layers to store in VRAM\n"
             "--list-devices                          print list of available devices and exit\n"
             "--pooling {none,mean,cls,last,rank}     pooling type for embeddings\n"
             "--port PORT                             port to listen (default: 8080)");
    else if (count > 1 && strcmp(words[1], "--list-devices") == 0)
        puts("Available devices:\n  Vulkan0: Wine's card (4096 MiB, 4000 MiB free)");
    else if (count > 1 && strcmp(words[1], "--version") == 0)
        puts("version: 11194 (9f70b2cec)\nbuilt with clang for x86_64-pc-windows-msvc");
    else
        return 1;
    return 0;
}
