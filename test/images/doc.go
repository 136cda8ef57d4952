// Package images makes the images that the test bed runs, where no registry is: as OCI archives that `ctr images import`
// reads. Our own come out of the project's Dockerfile, by buildah; the tests' programs are built by Go; what others
// publish is put together from Debian's packages. The same input gives the same digest: files are sorted and have neither
// times nor owners of the machine that they were built on.
//
// Archives are kept in the user's cache directory under a key of everything that they are made of, so making them again
// takes milliseconds.
package images
