# `cmake --install` gives a tree that can be moved: bin/ finds its libraries in lib/tpo relative to itself.
#
# lib/tpo keeps the wheel's shape (torch/lib next to nvidia/cu13/lib), because LibTorch's own run path is relative to
# it. On a GPU machine the rest of LibTorch's libraries can be added there, and libtorch_cuda.so is found.

if(TPO_INSTALL_LIBTORCH AND NOT TPO_CORE_ONLY)
  file(GLOB tpo_torch_libs "${TPO_LIBTORCH_LIB_DIR}/libtorch_cpu.so" "${TPO_LIBTORCH_LIB_DIR}/libc10.so"
       "${TPO_LIBTORCH_LIB_DIR}/libgomp*.so*")
  install(PROGRAMS ${tpo_torch_libs} DESTINATION lib/tpo/torch/lib)
  foreach(dir IN LISTS tpo_nvidia_lib_dirs)
    file(GLOB tpo_nvidia_libs "${dir}/libcudart.so.*" "${dir}/libcupti.so.*")
    if(tpo_nvidia_libs)
      cmake_path(RELATIVE_PATH dir BASE_DIRECTORY "${TPO_LIBTORCH_ROOT}" OUTPUT_VARIABLE relative)
      install(PROGRAMS ${tpo_nvidia_libs} DESTINATION "lib/tpo/${relative}")
    endif()
  endforeach()
endif()
